package io.sails4j.monitor;

import io.sails4j.InputException;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenSequence;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.ModelSession;
import io.sails4j.sae.Sae;
import io.sails4j.stats.Bootstrap;
import io.sails4j.stats.Ranks;
import io.sails4j.stats.Rates;
import io.sails4j.steer.Feature;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.IntStream;

/**
 * Makes rules of features by texts of which it is known whether they should raise an alarm. Each layer gives a rule. Of several features
 * its signal is their activations weighted by the difference of their means, quiet less alarming, to length 1 (the contrast of
 * arXiv:2512.23260 that chooses safety features, with its sign); of one feature it is the activation. The groups of texts are dealt in
 * two halves by the seed. One half chooses weights and threshold: of n quiet texts the threshold is the ceil((1 - rate) (n + 1))-th most
 * harmless of their most alarming tokens, which a new quiet text passes with at most that rate (split conformal prediction: Vovk et al.
 * 2005). An alarm ends half way to the median of the quiet texts. The other half tells how good the rule is.
 */
public final class MonitorCalibrator {
    private static final int ROC_POINTS = 100;

    private final ModelSession session;
    private final AdapterStack adapters;
    private final Map<Integer, Sae> saes;
    private final CalibrationOptions options;
    private final Progress progress;
    private final List<Text> texts = new ArrayList<>();
    private long done;
    private long tokens;

    private record Text(CalibrationText text, boolean chooses) {
    }

    /** A layer's signal, and each text's most alarming mean by the trigger's side: larger is more alarming. */
    private record Candidate(Signal signal, Trigger.Side side, double[] peaks) {
    }

    private MonitorCalibrator(ModelSession session, AdapterStack adapters, Map<Integer, Sae> saes, CalibrationOptions options,
        Progress progress) {
        this.session = session;
        this.adapters = adapters;
        this.saes = saes;
        this.options = options;
        this.progress = progress;
    }

    /**
     * Rules with thresholds.
     *
     * @param adapters under which the texts are read: those of the model that will be watched
     * @param saes by layer
     * @param features by layer, of which rules are made
     * @param texts of both kinds
     * @param part whose tokens the texts count
     * @param action of every rule
     * @throws InputException where there are too few texts of a kind for the rate, or the features tell nothing
     */
    public static CalibratedMonitor calibrate(ModelSession session, AdapterStack adapters, Map<Integer, Sae> saes,
        SortedMap<Integer, int[]> features, List<CalibrationText> texts, Part part, Action action, CalibrationOptions options,
        Progress progress) {
        MonitorCalibrator calibrator = new MonitorCalibrator(session, adapters, saes, options, progress);
        SortedMap<Integer, int[]> rising = new TreeMap<>();
        features.forEach((layer, ids) -> rising.put(layer, Arrays.stream(ids).sorted().distinct().toArray()));
        if (rising.isEmpty() || rising.values().stream().anyMatch(ids -> ids.length == 0)) {
            throw new InputException("there are no features to make a rule of, expected one at least of each layer");
        }
        Sae.requireFit(saes, session.model().config(), "the model");
        rising.forEach((layer, ids) -> Arrays.stream(ids).forEach(id -> new Feature(layer, id).in(saes)));
        calibrator.deal(texts);
        return calibrator.calibrated(rising, part, action);
    }

    /** Groups in the order of the seed, every second one to either half; each kind of group by itself, so that both halves have it. */
    private void deal(List<CalibrationText> given) {
        SortedMap<Integer, List<CalibrationText>> groups = new TreeMap<>();
        given.forEach(text -> groups.computeIfAbsent(text.group(), _ -> new ArrayList<>()).add(text));
        for (int kind = 1; kind <= 3; kind++) {
            int wanted = kind;
            List<Integer> ids = new ArrayList<>(groups.keySet().stream().filter(id -> kindOf(groups, id) == wanted).toList());
            Collections.shuffle(ids, new Random(options.seed()));
            for (int i = 0; i < ids.size(); i++) {
                boolean chooses = i % 2 == 0;
                Objects.requireNonNull(groups.get(ids.get(i))).forEach(text -> texts.add(new Text(text, chooses)));
            }
        }
        int quiet = count(false, true);
        int needed = rank(quiet);
        if (needed > quiet) {
            int least = (int) Math.ceil(1 / options.falseAlarmRate()) - 1;
            throw new InputException("false_alarm_rate is " + options.falseAlarmRate() + ", which " + least
                + " quiet texts or more can choose, and there are " + quiet
                + " (half of them all: the other half tests); give more quiet texts, or choose a larger rate");
        }
        if (count(true, true) == 0 || count(true, false) == 0 || count(false, false) == 0) {
            throw new InputException("there are " + (count(true, true) + count(true, false)) + " texts that should raise an alarm and "
                + (quiet + count(false, false)) + " quiet ones, expected two of each at least: half of them choose, half test");
        }
    }

    private static int kindOf(SortedMap<Integer, List<CalibrationText>> groups, int id) {
        return Objects.requireNonNull(groups.get(id)).stream().mapToInt(text -> text.alarm() ? 1 : 2).reduce(0, (a, b) -> a | b);
    }

    private int rank(int quiet) {
        return (int) Math.ceil((1 - options.falseAlarmRate()) * (quiet + 1) - 1e-9);
    }

    private int count(boolean alarm, boolean chooses) {
        return (int) texts.stream().filter(text -> text.text.alarm() == alarm && text.chooses == chooses).count();
    }

    private CalibratedMonitor calibrated(SortedMap<Integer, int[]> features, Part part, Action action) {
        int longest = texts.stream().mapToInt(text -> text.text.tokens().length()).max().orElseThrow();
        List<Rule> rules = new ArrayList<>();
        List<RuleQuality> quality = new ArrayList<>();
        try (SignalReader reader = new SignalReader(session, adapters, saes, features, longest)) {
            boolean weighted = features.values().stream().anyMatch(ids -> ids.length > 1);
            long passes = (weighted ? count(true, true) + count(false, true) : 0) + texts.size();
            List<double[]> weights = weights(reader, features, weighted, passes);
            double[][][] signals = signals(reader, weights, passes);
            for (int i = 0; i < reader.watches().size(); i++) {
                int layer = reader.watches().get(i).layer();
                int[] ids = Objects.requireNonNull(features.get(layer));
                Candidate candidate = candidate(layer, ids, weights.get(i), signals[i]);
                String name = ids.length == 1 ? "feature-" + layer + "-" + ids[0] : "layer-" + layer;
                rules.add(new Rule(name, candidate.signal, part, trigger(candidate), action));
                quality.add(quality(name, candidate, rules.getLast().trigger()));
            }
        }
        return new CalibratedMonitor(MonitorSpec.of(rules, saes), quality);
    }

    private void read(SignalReader reader, TokenSequence sequence, long passes) {
        reader.read(sequence);
        tokens += sequence.length();
        progress.update(++done, passes, tokens);
    }

    /** The token at the beginning of a text, which a monitor does not look at where it is BOS. */
    private boolean counts(TokenSequence sequence, int token) {
        return sequence.counted()[token] && !(token == 0 && sequence.ids()[0] == session.model().config().bosId());
    }

    /** Mean over quiet tokens less mean over alarming ones, of length 1 in each layer; 1 where a layer has one feature. */
    private List<double[]> weights(SignalReader reader, SortedMap<Integer, int[]> features, boolean weighted, long passes) {
        List<double[]> weights = new ArrayList<>();
        features.values().forEach(ids -> weights.add(new double[ids.length]));
        long[] counted = new long[2];
        double[][][] sums = new double[2][weights.size()][];
        for (double[][] side : sums) {
            Arrays.setAll(side, i -> new double[weights.get(i).length]);
        }
        for (Text text : weighted ? texts : List.<Text>of()) {
            if (text.chooses) {
                read(reader, text.text.tokens(), passes);
                int side = text.text.alarm() ? 1 : 0;
                counted[side] += add(sums[side], reader, text.text.tokens());
            }
        }
        int i = 0;
        for (Map.Entry<Integer, int[]> layer : features.entrySet()) {
            double[] w = weights.get(i);
            double square = 0;
            for (int f = 0; f < w.length; f++) {
                w[f] = w.length == 1 ? 1 : sums[0][i][f] / Math.max(1, counted[0]) - sums[1][i][f] / Math.max(1, counted[1]);
                square += w[f] * w[f];
            }
            if (square == 0) {
                throw new InputException("the " + w.length + " features of layer " + layer.getKey()
                    + " are as active in quiet texts as in the others (most likely in none); choose other features or other texts");
            }
            for (int f = 0; f < w.length; f++) {
                w[f] /= Math.sqrt(square);
            }
            i++;
        }
        return weights;
    }

    private long add(double[][] sums, SignalReader reader, TokenSequence sequence) {
        long counted = 0;
        for (int t = 0; t < sequence.length(); t++) {
            if (counts(sequence, t)) {
                counted++;
                for (int i = 0; i < sums.length; i++) {
                    int[] indices = reader.indices(i);
                    for (int f = 0; f < indices.length; f++) {
                        sums[i][f] += reader.codes(i).valueOf(t, indices[f]);
                    }
                }
            }
        }
        return counted;
    }

    /** The signal's lowest and highest windowed mean of each text, [layer][text][2]. */
    private double[][][] signals(SignalReader reader, List<double[]> weights, long passes) {
        double[][][] peaks = new double[weights.size()][texts.size()][];
        for (int n = 0; n < texts.size(); n++) {
            TokenSequence sequence = texts.get(n).text.tokens();
            read(reader, sequence, passes);
            for (int i = 0; i < weights.size(); i++) {
                peaks[i][n] = peaks(reader.codes(i), sequence, reader.indices(i), weights.get(i));
            }
        }
        return peaks;
    }

    private double[] peaks(HostCodes codes, TokenSequence sequence, int[] indices, double[] weights) {
        WindowMean mean = new WindowMean(options.window());
        double[] peaks = {Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY};
        for (int t = 0; t < sequence.length(); t++) {
            if (counts(sequence, t)) {
                double value = mean.with(codes.weighted(t, indices, weights));
                peaks[0] = Math.min(peaks[0], value);
                peaks[1] = Math.max(peaks[1], value);
            }
        }
        if (peaks[0] > peaks[1]) {
            throw new InputException("a text of " + sequence.length() + " tokens has none that counts" + (sequence.origin() == null ? ""
                : " (" + sequence.origin() + ")") + "; leave it out");
        }
        return peaks;
    }

    /** Weighted signals are lower where they should alarm; one feature's side is that on which the choosing texts say so. */
    private Candidate candidate(int layer, int[] ids, double[] weights, double[][] peaks) {
        List<Signal.Term> terms = IntStream.range(0, ids.length).filter(f -> weights[f] != 0)
            .mapToObj(f -> new Signal.Term(ids[f], weights[f])).toList();
        Signal signal = new Signal(layer, terms);
        double[] high = Arrays.stream(peaks).mapToDouble(peak -> peak[1]).toArray();
        double[] low = Arrays.stream(peaks).mapToDouble(peak -> -peak[0]).toArray();
        int[] choosing = where(true);
        boolean above = ids.length == 1 && auc(high, choosing) >= auc(low, choosing);
        return new Candidate(signal, above ? Trigger.Side.ABOVE : Trigger.Side.BELOW, above ? high : low);
    }

    private int[] where(boolean chooses) {
        return IntStream.range(0, texts.size()).filter(n -> texts.get(n).chooses == chooses).toArray();
    }

    private double auc(double[] peaks, int[] which) {
        double[] scores = new double[which.length];
        boolean[] labels = new boolean[which.length];
        for (int i = 0; i < which.length; i++) {
            scores[i] = peaks[which[i]];
            labels[i] = texts.get(which[i]).text.alarm();
        }
        return Ranks.auc(scores, labels);
    }

    private Trigger trigger(Candidate candidate) {
        double[] quiet = Arrays.stream(where(true)).filter(n -> !texts.get(n).text.alarm()).mapToDouble(n -> candidate.peaks[n]).sorted()
            .toArray();
        double on = quiet[rank(quiet.length) - 1];
        double off = on - (on - quiet[quiet.length / 2]) / 2;
        boolean above = candidate.side == Trigger.Side.ABOVE;
        return new Trigger(candidate.side, above ? on : -on, Math.min(on, off) * (above ? 1 : -1), options.window());
    }

    private RuleQuality quality(String name, Candidate candidate, Trigger trigger) {
        int[] testing = where(false);
        int[] quiet = Arrays.stream(testing).filter(n -> !texts.get(n).text.alarm()).toArray();
        int[] alarming = Arrays.stream(testing).filter(n -> texts.get(n).text.alarm()).toArray();
        double on = trigger.side() == Trigger.Side.ABOVE ? trigger.on() : -trigger.on();
        return new RuleQuality(name, texts.size() - testing.length, quiet.length, alarming.length,
            Rates.wilson(beyond(candidate.peaks, quiet, on), quiet.length),
            Rates.wilson(beyond(candidate.peaks, alarming, on), alarming.length),
            Bootstrap.of(options.seed()).statistic(testing.length,
                cases -> auc(candidate.peaks, Arrays.stream(cases).map(i -> testing[i]).toArray())),
            roc(candidate.peaks, quiet, alarming));
    }

    private static long beyond(double[] peaks, int[] which, double on) {
        return Arrays.stream(which).filter(n -> peaks[n] > on).count();
    }

    private static double[][] roc(double[] peaks, int[] quiet, int[] alarming) {
        double[] thresholds = IntStream.concat(Arrays.stream(quiet), Arrays.stream(alarming)).mapToDouble(n -> peaks[n]).distinct().sorted()
            .toArray();
        int points = Math.min(ROC_POINTS, thresholds.length);
        double[][] roc = new double[2][points + 2];
        for (int i = 0; i < points; i++) {
            double on = thresholds[thresholds.length - 1 - (int) ((long) i * thresholds.length / points)];
            roc[0][i + 1] = beyond(peaks, quiet, on) / (double) quiet.length;
            roc[1][i + 1] = beyond(peaks, alarming, on) / (double) alarming.length;
        }
        roc[0][points + 1] = 1;
        roc[1][points + 1] = 1;
        return roc;
    }
}
