package io.sails4j.monitor;

import io.sails4j.InputException;
import io.sails4j.model.CausalModel;
import io.sails4j.model.StreamProbe;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SaeReader;
import io.sails4j.steer.FeatureChange;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * Rules over one model's residual stream, ready to be watched: a probe for {@link io.sails4j.model.BatchDecoder}, with a listener for each
 * sequence. Of the SAEs it computes the features that rules name, and no others, unless it is told to watch all of a layer. One monitor
 * serves any number of sequences; the model and the SAEs must stay open longer.
 */
public final class Monitor implements StreamProbe, AutoCloseable {
    private final CausalModel model;
    private final List<LayerWatch> watches;
    private final List<int @Nullable []> steered;
    private final List<WatchedRule> rules;
    private final int[] shown;

    private Monitor(CausalModel model, List<LayerWatch> watches, List<int @Nullable []> steered, List<WatchedRule> rules, int[] shown) {
        this.model = model;
        this.watches = List.copyOf(watches);
        this.steered = steered;
        this.rules = rules;
        this.shown = shown;
    }

    /** The monitor of some rules. See {@link #open(CausalModel, Map, MonitorSpec, Set)}. */
    public static Monitor open(CausalModel model, Map<Integer, Sae> saes, MonitorSpec spec) {
        return open(model, saes, spec, Set.of());
    }

    /**
     * The monitor of some rules.
     *
     * @param saes by layer, each of the residual stream after it
     * @param whole layers of which every active feature is shown to {@link TokenWatcher}s, by the whole encoder
     * @throws InputException where an SAE is missing, belongs to another layer or model, or is not the one that the rules were made with
     */
    public static Monitor open(CausalModel model, Map<Integer, Sae> saes, MonitorSpec spec, Set<Integer> whole) {
        Sae.requireFit(saes, model.config(), "the model");
        spec.saes().forEach((layer, mark) -> mark.require(layer, sae(saes, layer), MonitorSpec.featuresOf(spec.rules(), layer)));
        List<LayerWatch> watches = new ArrayList<>();
        try {
            Set<Integer> layers = new TreeSet<>(spec.saes().keySet());
            pushes(spec).forEach(change -> layers.add(change.feature().layer()));
            for (int layer : layers) {
                pushes(spec).filter(change -> change.feature().layer() == layer).forEach(change -> change.feature().in(saes));
                int[] features = MonitorSpec.featuresOf(spec.rules(), layer);
                // A layer that is steered alone is read as well: the statistics of a row that its SAE standardises by.
                watches.add(new LayerWatch(layer, SaeReader.of(sae(saes, layer), features.length == 0 ? pushed(spec, layer) : features)));
            }
            int ruled = watches.size();
            for (int layer : new TreeSet<>(whole)) {
                watches.add(new LayerWatch(layer, SaeReader.ofAll(sae(saes, layer))));
            }
            List<int @Nullable []> steered = new ArrayList<>();
            for (int i = 0; i < watches.size(); i++) {
                int[] features = i < ruled ? pushed(spec, watches.get(i).layer()) : new int[0];
                steered.add(features.length == 0 ? null : features);
            }
            List<WatchedRule> rules = spec.rules().stream().map(rule -> WatchedRule.of(rule, watches.subList(0, ruled), steered)).toList();
            return new Monitor(model, watches, steered, rules, shown(watches, whole));
        } catch (RuntimeException | Error e) {
            watches.forEach(LayerWatch::close);
            throw e;
        }
    }

    private static Sae sae(Map<Integer, Sae> saes, int layer) {
        Sae sae = saes.get(layer);
        if (sae == null) {
            throw new InputException("the monitor reads layer " + layer + ", and there is no SAE of it; SAEs are given of the layers "
                + saes.keySet().stream().sorted().toList());
        }
        return sae;
    }

    private static Stream<FeatureChange.Steered> pushes(MonitorSpec spec) {
        return spec.rules().stream().flatMap(rule -> rule.action() instanceof Action.Steer steer ? steer.changes().stream()
            : Stream.empty());
    }

    private static int[] pushed(MonitorSpec spec, int layer) {
        return pushes(spec).filter(change -> change.feature().layer() == layer).mapToInt(change -> change.feature().index()).distinct()
            .sorted().toArray();
    }

    /** Of each layer the watch that sees most. */
    private static int[] shown(List<LayerWatch> watches, Set<Integer> whole) {
        return IntStream.range(0, watches.size())
            .filter(i -> !whole.contains(watches.get(i).layer()) || i == last(watches, watches.get(i).layer())).toArray();
    }

    private static int last(List<LayerWatch> watches, int layer) {
        return IntStream.range(0, watches.size()).filter(i -> watches.get(i).layer() == layer).max().orElseThrow();
    }

    /** What the rules are. */
    public List<Rule> rules() {
        return rules.stream().map(WatchedRule::rule).toList();
    }

    /** The names that rules switch to, which whoever generates must know. */
    public List<String> switches() {
        return rules().stream().flatMap(rule -> rule.action() instanceof Action.SwitchTo to ? Stream.of(to.model()) : Stream.empty())
            .distinct().toList();
    }

    /**
     * The listener of a new sequence.
     *
     * @param answerFrom position of the answer's first token: the length of the prompt
     * @param watcher who sees the features of each token, null for nobody
     */
    public MonitoredSequence begin(int answerFrom, @Nullable TokenWatcher watcher) {
        return new MonitoredSequence(this, answerFrom, watcher);
    }

    @Override
    public Readings open(int rows) {
        return DeviceReadings.open(model.engine().device(), watches, steered, rows);
    }

    List<WatchedRule> watchedRules() {
        return rules;
    }

    LayerWatch watch(int at) {
        return watches.get(at);
    }

    /** Features that rules may push at a watch's layer, rising; null for none. */
    int @Nullable [] steered(int watch) {
        return steered.get(watch);
    }

    int watches() {
        return watches.size();
    }

    /** The watches that a {@link TokenView} shows, by rising layer. */
    int[] shown() {
        return shown;
    }

    boolean isBos(int position, int id) {
        return position == 0 && id == model.config().bosId();
    }

    /** Frees what it has for itself; a second call does nothing. */
    @Override
    public void close() {
        watches.forEach(LayerWatch::close);
    }

    /**
     * A rule, where its features stand in a watch's codes.
     *
     * @param watch place among the monitor's watches
     * @param indices of its features, rising
     * @param push what it adds to the features that are pushed at {@code pushedAt}, in their order; null where it steers nothing
     */
    record WatchedRule(Rule rule, int watch, int[] indices, double[] weights, int pushedAt, float @Nullable [] push) {
        static WatchedRule of(Rule rule, List<LayerWatch> watches, List<int @Nullable []> steered) {
            int watch = at(watches, rule.signal().layer());
            int[] indices = rule.signal().terms().stream().mapToInt(term -> watches.get(watch).reader().index(term.feature())).toArray();
            double[] weights = rule.signal().terms().stream().mapToDouble(Signal.Term::weight).toArray();
            if (!(rule.action() instanceof Action.Steer steer)) {
                return new WatchedRule(rule, watch, indices, weights, -1, null);
            }
            int pushedAt = at(watches, steer.changes().getFirst().feature().layer());
            int[] features = Objects.requireNonNull(steered.get(pushedAt));
            float[] push = new float[features.length];
            for (FeatureChange.Steered change : steer.changes()) {
                push[Arrays.binarySearch(features, change.feature().index())] += change.by();
            }
            return new WatchedRule(rule, watch, indices, weights, pushedAt, push);
        }

        private static int at(List<LayerWatch> watches, int layer) {
            return IntStream.range(0, watches.size()).filter(i -> watches.get(i).layer() == layer).findFirst().orElseThrow();
        }
    }
}
