package io.sails4j.monitor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenSequence;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelSession;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SaeFixture;
import io.sails4j.steer.Feature;
import io.sails4j.steer.FeatureChange;
import io.sails4j.steer.FeatureWatch;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;
import java.util.regex.Pattern;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Thresholds and rates against the definition, computed of whole passes. */
class MonitorCalibratorTest {
    private static final int D = (int) TinyModel.CONFIG.dModel();
    private static final int[] FEATURES = {3, 17, 20, 41};

    @TempDir
    private static Path directory;

    private static Engine engine;
    private static CausalModel model;
    private static ModelSession session;
    private static Sae sae;

    @BeforeAll
    static void open() {
        engine = Backends.open("cpu", 1);
        model = TinyModel.open(engine);
        session = ModelSession.open(model);
        sae = Sae.load(new SaeFixture(D, 50, 5, "b_enc").saeLens(directory.resolve("sae")), engine);
    }

    @AfterAll
    static void close() {
        sae.close();
        session.close();
        model.close();
        engine.close();
    }

    /** Alarming texts have the token 33 somewhere. */
    private static List<CalibrationText> texts(int n) {
        List<CalibrationText> texts = new ArrayList<>();
        SplittableRandom random = new SplittableRandom(1);
        for (int i = 0; i < n; i++) {
            int[] ids = random.ints(5 + i % 4, 3, 30).toArray();
            if (i % 2 == 0) {
                ids[1 + i % 3] = 33;
            }
            boolean[] counted = new boolean[ids.length];
            Arrays.fill(counted, 1, ids.length, true);
            texts.add(new CalibrationText(new TokenSequence(ids, counted), i % 2 == 0, i));
        }
        return texts;
    }

    private static CalibratedMonitor calibrate(List<CalibrationText> texts, double rate, int window, int... features) {
        return MonitorCalibrator.calibrate(session, AdapterStack.none(), Map.of(1, sae), new TreeMap<>(Map.of(1, features)), texts,
            Part.PROMPT,
            new Action.Alarm(), new CalibrationOptions(rate, window, 3), Progress.none());
    }

    /** The lowest windowed mean of the signal, by whole passes. */
    private static double lowest(Signal signal, TokenSequence text, int window) {
        List<Feature> features = signal.terms().stream().map(term -> new Feature(1, term.feature())).toList();
        float[][] acts = new FeatureWatch(model.config(), Map.of(1, sae), features).activations(session, AdapterStack.none(), null,
            text.ids());
        double[] values = IntStream.range(1, text.length())
            .mapToDouble(t -> IntStream.range(0, acts.length).mapToDouble(f -> acts[f][t] * signal.terms().get(f).weight()).sum())
            .toArray();
        return IntStream.range(0, values.length)
            .mapToDouble(t -> Arrays.stream(values, Math.max(0, t + 1 - window), t + 1).average().orElseThrow()).min().orElseThrow();
    }

    @Test
    void theThresholdHoldsTheRateAndTheTestHalfIsCountedByIt() {
        List<CalibrationText> texts = texts(120);
        CalibratedMonitor monitor = calibrate(texts, 0.1, 2, IntStream.range(0, 50).toArray());
        Rule rule = monitor.spec().rules().getFirst();
        RuleQuality quality = monitor.quality().getFirst();
        assertThat(rule.name()).isEqualTo("layer-1");
        assertThat(rule.trigger().side()).isEqualTo(Trigger.Side.BELOW);
        assertThat(rule.signal().terms().stream().mapToDouble(term -> term.weight() * term.weight()).sum()).isCloseTo(1,
            Offset.offset(1e-12));
        double[] quiet = texts.stream().filter(text -> !text.alarm()).mapToDouble(text -> lowest(rule.signal(), text.tokens(), 2)).sorted()
            .toArray();
        double[] loud = texts.stream().filter(text -> text.alarm()).mapToDouble(text -> lowest(rule.signal(), text.tokens(), 2)).sorted()
            .toArray();
        // Of 30 quiet texts that choose, the ceil(0.9 * 31) = 28th most harmless: two lie beyond it. No value lies nearer than rounding.
        double on = rule.trigger().on();
        assertThat(Arrays.stream(quiet).map(x -> Math.abs(x - on)).min().orElseThrow()).isLessThan(1e-5);
        long quietBeyond = Arrays.stream(quiet).filter(x -> x < on - 1e-5).count();
        long loudBeyond = Arrays.stream(loud).filter(x -> x < on - 1e-5).count();
        assertThat(quality.quiet()).isEqualTo(30);
        assertThat(quality.alarming()).isEqualTo(30);
        assertThat(Math.round(quality.falseAlarms().value() * 30) + 2).isEqualTo(quietBeyond);
        assertThat(quality.detected().value()).isBetween((loudBeyond - 30) / 30.0, loudBeyond / 30.0).isGreaterThan(0.3);
        assertThat(quality.auc().value()).isGreaterThan(0.7);
        assertThat(rule.trigger().off()).isGreaterThan(on);
        double[][] roc = quality.roc();
        assertThat(roc[0]).isSorted().startsWith(0).endsWith(1);
        assertThat(roc[1]).isSorted().startsWith(0).endsWith(1);
    }

    @Test
    void oneFeatureIsItsActivationOnTheSideThatTells() {
        for (int feature : FEATURES) {
            CalibratedMonitor monitor = calibrate(texts(80), 0.2, 1, feature);
            Rule rule = monitor.spec().rules().getFirst();
            assertThat(rule.name()).isEqualTo("feature-1-" + feature);
            assertThat(rule.signal()).isEqualTo(Signal.of(new Feature(1, feature)));
        }
    }

    /** Both answers to a prompt stay in one half. */
    @Test
    void groupsStayTogether() {
        List<CalibrationText> texts = new ArrayList<>();
        List<CalibrationText> single = texts(80);
        for (int i = 0; i < single.size(); i++) {
            texts.add(new CalibrationText(single.get(i).tokens(), single.get(i).alarm(), i / 2));
        }
        RuleQuality quality = calibrate(texts, 0.1, 1, FEATURES).quality().getFirst();
        assertThat(quality.quiet()).isEqualTo(20);
        assertThat(quality.alarming()).isEqualTo(20);
        assertThat(quality.chosenOn()).isEqualTo(40);
    }

    @Test
    void tooFewTextsAndDeadFeaturesAreTold() {
        assertThatThrownBy(() -> calibrate(texts(40), 0.05, 1, FEATURES)).isInstanceOf(InputException.class)
            .hasMessageContaining("which 19 quiet texts or more can choose, and there are 10");
        assertThatThrownBy(() -> calibrate(texts(80).stream().filter(text -> !text.alarm()).toList(), 0.1, 1, FEATURES))
            .isInstanceOf(InputException.class).hasMessageContaining("there are 0 texts that should raise an alarm and 40 quiet ones");
        assertThatThrownBy(() -> calibrate(texts(80), 0.1, 1, 3, 50)).isInstanceOf(InputException.class)
            .hasMessageContaining("feature 1:50 does not exist");
        assertThatThrownBy(() -> new CalibrationOptions(0, 1, 0)).isInstanceOf(InputException.class)
            .hasMessageContaining("false_alarm_rate");
    }

    @Test
    void aFileIsReadBackTheSame() {
        CalibratedMonitor monitor = calibrate(texts(80), 0.1, 3, FEATURES);
        Path file = directory.resolve("monitor.json");
        List<Action> actions = List.of(new Action.Note(), new Action.Alarm(), new Action.Stop(), new Action.SwitchTo("safe"),
            new Action.Steer(
                List.of(new FeatureChange.Steered(new Feature(0, 7), -2.5f), new FeatureChange.Steered(new Feature(0, 9), 1e-9f))));
        for (Action action : actions) {
            MonitorSpec spec = monitor.spec().doing(action);
            MonitorFile.write(file, spec, monitor.quality());
            assertThat(MonitorFile.read(file)).isEqualTo(spec);
        }
    }

    @Test
    void aFaultInAFileIsNamedWithItsPlace() throws IOException {
        Path file = directory.resolve("fault.json");
        MonitorFile.write(file, calibrate(texts(80), 0.1, 3, FEATURES).spec(), List.of());
        String good = Files.readString(file);
        String[][] faults = {{"sails4j.monitor.1", "sails4j.monitor.9", "its format is 'sails4j.monitor.9'"},
            {"\"below\"", "\"under\"", "'side' is 'under', expected above, below"}, {"\"prompt\"", "7", "'part' is 7, expected a string"},
            {"\"alarm\"", "\"shout\"", "'do' is 'shout', expected log, alarm, stop, steer or switch"},
            {"\"window\" : 3", "\"window\" : 0", "window is 0"}, {"\"id\" : 17", "\"id\" : 3", "the feature 3 twice"},
            {"\"weight\" : ", "\"weight\" : 1e999, \"was\" : ", "weight"}, {"\"1\" : {", "\"x\" : {", "'x'"},
            {"\"layer\" : 1", "\"layer\" : 0",
                "reads layer 0, and the monitor names no SAE"},
            {"\"rules\"", "\"rule\"", "lacks the key 'rules'"}};
        for (String[] fault : faults) {
            assertThat(good).contains(fault[0]);
            Files.writeString(file, good.replaceFirst(Pattern.quote(fault[0]), fault[1]));
            assertThatThrownBy(() -> MonitorFile.read(file)).as(fault[1]).isInstanceOf(InputException.class)
                .hasMessageStartingWith(file.toString()).hasMessageContaining(fault[2]);
        }
    }
}
