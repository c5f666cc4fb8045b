package io.sails4j.monitor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.tuple;

import com.sun.management.ThreadMXBean;
import io.sails4j.InputException;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.BatchDecoder;
import io.sails4j.model.BatchOptions;
import io.sails4j.model.CausalModel;
import io.sails4j.model.DecodeRequest;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.Site;
import io.sails4j.model.StreamEdit;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Graphs;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SaeFixture;
import io.sails4j.sae.SparseCodes;
import io.sails4j.steer.Feature;
import io.sails4j.steer.FeatureChange;
import io.sails4j.steer.FeatureWatch;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import java.lang.foreign.ValueLayout;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What a monitor reads and does in the decoding loop against whole forward passes. */
class MonitorTest {
    private static final int D = (int) TinyModel.CONFIG.dModel();
    private static final int D_SAE = 50;
    private static final int[] PROMPT = {1, 7, 11, 30, 5, 9, 44, 8, 3, 12};
    /** Stream values reach about 10 and so do their products' sums; both ways round them by a few last bits. */
    private static final Offset<Float> ROUNDING = Offset.offset(24 * 100 * 0x1p-24f * 8);

    @TempDir
    private static Path directory;

    private static Engine engine;
    private static CausalModel model;
    private static ModelSession session;

    @BeforeAll
    static void open() {
        engine = Backends.open("cpu", 1);
        model = TinyModel.open(engine);
        session = ModelSession.open(model);
    }

    @AfterAll
    static void close() {
        session.close();
        model.close();
        engine.close();
    }

    private static Sae relu(String name) {
        return Sae.load(new SaeFixture(D, D_SAE, 5, "b_enc").saeLens(directory.resolve(name)), engine);
    }

    /** A token's features, by layer. */
    private record Seen(int position, int id, Map<Integer, Map<Integer, Float>> byLayer) {
        static Seen of(TokenView token) {
            Map<Integer, Map<Integer, Float>> byLayer = new TreeMap<>();
            for (int layer : token.layers()) {
                assertThat(token.missing(layer)).isZero();
                Map<Integer, Float> features = new TreeMap<>();
                for (int i = 0; i < token.active(layer); i++) {
                    features.put(token.feature(layer, i), token.activation(layer, i));
                }
                byLayer.put(layer, features);
            }
            return new Seen(token.position(), token.id(), byLayer);
        }
    }

    private record Ran(int[] tokens, List<Seen> seen, MonitoredSequence sequence) {
    }

    private static BatchDecoder decoder(Monitor monitor) {
        return new BatchDecoder(session, new BatchOptions(4, 3, 64), 4, null, monitor, Graphs.AUTO);
    }

    private static Ran run(BatchDecoder decoder, Monitor monitor, int[] prompt, int tokens, AdapterStack... switched) {
        List<Seen> seen = new ArrayList<>();
        MonitoredSequence listener = monitor.begin(prompt.length, token -> seen.add(Seen.of(token)));
        BatchDecoder.Sequence sequence = decoder
            .add(new DecodeRequest(prompt, AdapterStack.none(), GenerationOptions.greedy(tokens, Set.of()), 0, listener, -1));
        while (!sequence.ended()) {
            if (listener.switchTo() != null) {
                decoder.continueBy(sequence, switched[0]);
            }
            if (sequence.awaitsPrompt()) {
                decoder.read(sequence);
            } else {
                decoder.step();
            }
        }
        return new Ran(sequence.tokens(), seen, listener);
    }

    private static Ran run(Monitor monitor, int tokens, AdapterStack... switched) {
        try (BatchDecoder decoder = decoder(monitor)) {
            return run(decoder, monitor, PROMPT, tokens, switched);
        }
    }

    private static Rule rule(Signal signal, Part part, double on, double off, int window, Action action) {
        return new Rule("r", signal, part, new Trigger(Trigger.Side.ABOVE, on, off, window), action);
    }

    private static final Rule NEVER = rule(new Signal(1, List.of(new Signal.Term(7, 1), new Signal.Term(31, -0.5), new Signal.Term(12, 2))),
        Part.ALL, 1e9, 0, 1, new Action.Note());

    private void readsWhatAForwardEncodes(SaeFixture fixture, boolean whole, boolean all) {
        try (Sae sae = Sae.load(fixture.saeLens(directory.resolve("sae" + fixture.hashCode() + whole)), engine);
             Monitor monitor = Monitor.open(model, Map.of(1, sae), MonitorSpec.of(List.of(NEVER), Map.of(1, sae)),
                 whole ? Set.of(1) : Set.of())) {
            Ran ran = run(monitor, 6);
            int[] ids = IntStream.concat(Arrays.stream(PROMPT), Arrays.stream(ran.tokens)).toArray();
            List<Feature> features = (all ? IntStream.range(0, D_SAE) : IntStream.of(7, 12, 31)).mapToObj(i -> new Feature(1, i)).toList();
            float[][] expected = new FeatureWatch(model.config(), Map.of(1, sae), features).activations(session, AdapterStack.none(), null,
                ids);
            assertThat(ran.seen.stream().map(Seen::position))
                .containsExactlyElementsOf(IntStream.range(0, ids.length - 1).boxed().toList());
            assertThat(ran.seen.stream().mapToInt(Seen::id)).containsExactly(Arrays.stream(ids).limit(ids.length - 1L).boxed()
                .toArray(Integer[]::new));
            int active = 0;
            for (Seen token : ran.seen) {
                Map<Integer, Float> read = token.byLayer.get(1);
                assertThat(read.keySet()).isSubsetOf(features.stream().map(Feature::index).toList());
                active += read.size();
                for (int f = 0; f < features.size(); f++) {
                    assertThat(read.getOrDefault(features.get(f).index(), 0f)).isCloseTo(expected[f][token.position], ROUNDING);
                }
            }
            assertThat(active).isPositive();
        }
    }

    @Test
    void readsWhatAForwardEncodes() {
        readsWhatAForwardEncodes(new SaeFixture(D, D_SAE, 5, "b_enc"), false, false);
        readsWhatAForwardEncodes(new SaeFixture(D, D_SAE, 5, "b_enc"), true, true);
        readsWhatAForwardEncodes(new SaeFixture(D, D_SAE, 5, "b_enc").with("\"normalize_activations\": \"layer_norm\","), false, false);
        readsWhatAForwardEncodes(new SaeFixture(D, D_SAE, 7, "b_enc", "threshold").with("\"architecture\": \"jumprelu\","), false, false);
        readsWhatAForwardEncodes(new SaeFixture(D, D_SAE, 7, "b_gate", "b_mag", "r_mag").with("\"architecture\": \"gated\","), false,
            false);
        readsWhatAForwardEncodes(new SaeFixture(D, D_SAE, 7, "b_enc")
            .with("\"architecture\": \"topk\", \"k\": 9, \"rescale_acts_by_decoder_norm\": true,"), false, true);
    }

    /** The same tokens and readings, bit for bit: alone, beside others, and where the prompt's beginning was read for another. */
    @Test
    void companyAndSharedPromptsChangeNothing() {
        try (Sae sae = relu("company");
             Monitor monitor = Monitor.open(model, Map.of(1, sae), MonitorSpec.of(List.of(NEVER), Map.of(1, sae)));
             BatchDecoder decoder = decoder(monitor)) {
            Ran alone = run(monitor, 6);
            decoder.read(decoder.add(new int[] {4, 4, 4}, AdapterStack.none(), GenerationOptions.greedy(60, Set.of()), 0));
            decoder.read(decoder.add(new DecodeRequest(new int[] {9, 8}, AdapterStack.none(), GenerationOptions.greedy(60, Set.of()), 0,
                monitor.begin(2, null), -1)));
            Ran beside = run(decoder, monitor, PROMPT, 6);
            Ran again = run(decoder, monitor, PROMPT, 6);
            assertThat(beside.tokens).isEqualTo(alone.tokens);
            assertThat(beside.seen).isEqualTo(alone.seen);
            assertThat(again.tokens).isEqualTo(alone.tokens);
            assertThat(again.seen).isEqualTo(alone.seen);
        }
    }

    /** The signal at each token of a run that nothing stops. */
    private static double[] signal(Ran ran, Signal signal) {
        return ran.seen.stream().mapToDouble(token -> signal.terms().stream()
            .mapToDouble(term -> term.weight() * token.byLayer.get(signal.layer()).getOrDefault(term.feature(), 0f)).sum()).toArray();
    }

    @Test
    void stopsWithinATokenAndSaysWhy() {
        try (Sae sae = relu("stop")) {
            Map<Integer, Sae> saes = Map.of(1, sae);
            Ran free;
            try (Monitor monitor = Monitor.open(model, saes, MonitorSpec.of(List.of(NEVER), saes))) {
                free = run(monitor, 12);
            }
            double[] values = signal(free, NEVER.signal());
            int at = IntStream.range(PROMPT.length, values.length).boxed().max((a, b) -> Double.compare(values[a], values[b]))
                .orElseThrow();
            double on = values[at] - 1e-4;
            Rule rule = rule(NEVER.signal(), Part.ANSWER, on, on, 1, new Action.Stop());
            try (Monitor monitor = Monitor.open(model, saes, MonitorSpec.of(List.of(rule), saes))) {
                Ran stopped = run(monitor, 12);
                assertThat(stopped.tokens).isEqualTo(Arrays.copyOf(free.tokens, at - PROMPT.length + 1));
                MonitorEvent event = stopped.sequence.stopped();
                assertThat(event).isNotNull();
                assertThat(event.answer()).isTrue();
                assertThat(event.token()).isEqualTo(at - PROMPT.length);
                assertThat(event.value()).isEqualTo(values[at]);
                assertThat(event.because().stream().mapToDouble(ActiveFeature::share).sum()).isCloseTo(values[at], Offset.offset(1e-9));
                assertThat(event.sentence()).startsWith("r is on at token " + event.token() + " of the answer: ")
                    .contains(event.because().getFirst().feature().toString());
                assertThat(event.alarms()).isTrue();
            }
        }
    }

    /** Every token behind the one that raised the alarm is pushed, as an edit of those rows does in whole passes. */
    @Test
    void steersFromTheNextTokenOn() {
        for (String norm : new String[] {"", "\"normalize_activations\": \"layer_norm\","}) {
            try (Sae sae = Sae.load(new SaeFixture(D, D_SAE, 5, "b_enc").with(norm).saeLens(directory.resolve("steer" + norm.length())),
                engine)) {
                Map<Integer, Sae> saes = Map.of(1, sae);
                FeatureChange.Steered push = new FeatureChange.Steered(new Feature(1, 20), 25);
                Rule rule = rule(NEVER.signal(), Part.PROMPT, -1e9, -2e9, 1, new Action.Steer(List.of(push)));
                try (Monitor monitor = Monitor.open(model, saes, MonitorSpec.of(List.of(rule), saes))) {
                    Ran ran = run(monitor, 8);
                    assertThat(ran.sequence.events()).hasSize(1);
                    // The alarm came in the first chunk, whose tokens were read: the pushes begin with the second.
                    assertThat(ran.tokens).isEqualTo(slowly(8, 4, sae, push));
                    assertThat(ran.tokens).isNotEqualTo(slowly(8, 1000, sae, push));
                    try (BatchDecoder decoder = decoder(monitor)) {
                        run(decoder, monitor, PROMPT, 8);
                        assertThat(run(decoder, monitor, PROMPT, 8).tokens).as("again").isEqualTo(ran.tokens);
                        BatchDecoder.Sequence plain = decoder.add(PROMPT, AdapterStack.none(), GenerationOptions.greedy(8, Set.of()), 0);
                        while (!plain.ended()) {
                            if (plain.awaitsPrompt()) {
                                decoder.read(plain);
                            } else {
                                decoder.step();
                            }
                        }
                        assertThat(plain.tokens()).as("unwatched behind it").isEqualTo(slowly(8, 1000, sae, push));
                    }
                }
            }
        }
    }

    private static int[] slowly(int tokens, int from, Sae sae, FeatureChange.Steered push) {
        StreamEdit edit = (site, layer, stream, memory) -> {
            int n = (int) stream.dim(0);
            if (site == Site.LAYER && layer == 1 && n > from) {
                SparseCodes z = sae.encode(stream, memory);
                int[] features = new int[n];
                float[] by = new float[n];
                int[] ones = new int[n];
                Arrays.fill(features, push.feature().index());
                Arrays.fill(by, from, n, push.by());
                Arrays.fill(ones, 1);
                sae.addChange(stream, z, memory.of(features, n, 1), memory.of(by, n, 1), memory.of(ones, n), memory);
            }
        };
        int[] ids = PROMPT;
        for (int i = 0; i < tokens; i++) {
            try (ForwardPass pass = session.forward(TokenBatch.of(ids), AdapterStack.none(), ForwardOptions.inference().withEdit(edit))) {
                float[] logits = session.logits(pass, new int[] {ids.length - 1}).toFloatArray();
                int best = IntStream.range(0, logits.length).boxed().max((a, b) -> Float.compare(logits[a], logits[b])).orElseThrow();
                ids = Arrays.copyOf(ids, ids.length + 1);
                ids[ids.length - 1] = best;
            }
        }
        return Arrays.copyOfRange(ids, PROMPT.length, ids.length);
    }

    @Test
    void switchesToAnAdapter() {
        try (Sae sae = relu("switch"); LoraAdapter adapter = TinyModel.randomAdapter(engine, 3)) {
            Map<Integer, Sae> saes = Map.of(1, sae);
            AdapterStack other = AdapterStack.of(adapter.modules());
            Rule rule = rule(NEVER.signal(), Part.PROMPT, -1e9, -2e9, 1, new Action.SwitchTo("safe"));
            try (Monitor monitor = Monitor.open(model, saes, MonitorSpec.of(List.of(rule), saes));
                 Monitor silent = Monitor.open(model, saes, MonitorSpec.of(List.of(NEVER), saes));
                 BatchDecoder decoder = decoder(monitor)) {
                Ran switched = run(decoder, monitor, PROMPT, 8, other);
                assertThat(run(decoder, monitor, PROMPT, 8, other).tokens).isEqualTo(switched.tokens);
                assertThat(switched.tokens).isNotEqualTo(run(silent, 8).tokens);
                // Before anything is read, continuing by an adapter is beginning with it.
                BatchDecoder.Sequence changed = decoder.add(PROMPT, AdapterStack.none(), GenerationOptions.greedy(8, Set.of()), 0);
                BatchDecoder.Sequence begun = decoder.add(PROMPT, other, GenerationOptions.greedy(8, Set.of()), 0);
                decoder.leave(changed);
                changed = decoder.add(new int[] {2, 7, 11, 30, 5}, AdapterStack.none(), GenerationOptions.greedy(8, Set.of()), 0);
                BatchDecoder.Sequence same = decoder.add(new int[] {2, 7, 11, 30, 5}, other, GenerationOptions.greedy(8, Set.of()), 0);
                decoder.continueBy(changed, other);
                for (BatchDecoder.Sequence one : List.of(changed, begun, same)) {
                    while (one.awaitsPrompt()) {
                        decoder.read(one);
                    }
                }
                while (!changed.ended() || !begun.ended() || !same.ended()) {
                    decoder.step();
                }
                assertThat(changed.tokens()).isEqualTo(same.tokens());
                assertThat(begun.tokens()).isNotEqualTo(switched.tokens);
            }
        }
    }

    /** Bytes of Java's heap that a thread takes for each of some steps, once everything is warm. */
    private static long bytesAStep(@Nullable Monitor monitor) {
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long least = Long.MAX_VALUE;
        try (BatchDecoder decoder = new BatchDecoder(session, new BatchOptions(2, 2, 128), 4, null, monitor, Graphs.OFF)) {
            for (int round = 0; round < 6; round++) {
                BatchDecoder.Sequence sequence = decoder.add(new DecodeRequest(new int[] {1, 2, 3}, AdapterStack.none(),
                    GenerationOptions.greedy(110, Set.of()), 0, monitor == null ? null : monitor.begin(3, null), -1));
                decoder.read(sequence);
                decoder.step();
                long before = threads.getCurrentThreadAllocatedBytes();
                for (int i = 0; i < 100; i++) {
                    decoder.step();
                }
                least = Math.min(least, (threads.getCurrentThreadAllocatedBytes() - before) / 100);
                decoder.leave(sequence);
            }
        }
        return least;
    }

    @Test
    void aTokenUnderAMonitorTakesNextToNothingOfJavasHeap() {
        try (Sae sae = relu("heap");
             Monitor monitor = Monitor.open(model, Map.of(1, sae), MonitorSpec.of(List.of(NEVER), Map.of(1, sae)))) {
            // Tests run by C1 alone, which leaves what C2 takes away: a slice of a segment for each of three copies to the host.
            assertThat(bytesAStep(monitor) - bytesAStep(null)).isLessThan(400);
        }
    }

    /** Row by row, with made-up codes: an alarm begins beyond one value, and ends before another. */
    @Test
    void hysteresisAndWindow() {
        try (Sae sae = relu("hysteresis")) {
            Map<Integer, Sae> saes = Map.of(1, sae);
            Rule rule = new Rule("mean", new Signal(1, List.of(new Signal.Term(7, 2))), Part.ALL, new Trigger(Trigger.Side.ABOVE, 10, 6, 2),
                new Action.Alarm());
            try (Monitor monitor = Monitor.open(model, saes, MonitorSpec.of(List.of(rule), saes))) {
                MonitoredSequence sequence = monitor.begin(2, null);
                // Twice the mean of two: 4, 4, 6, 11, 13, 9, 7, 6.5, 5, 20.
                float[] activations = {2, 2, 4, 7, 6, 3, 4, 2.5f, 2.5f, 17.5f};
                for (int t = 0; t < activations.length; t++) {
                    HostCodes codes = new HostCodes(1, 1);
                    codes.valueBytes().set(ValueLayout.JAVA_FLOAT, 0, activations[t]);
                    codes.countBytes().set(ValueLayout.JAVA_INT, 0, 1);
                    assertThat(sequence.token(new MonitorReadings(List.of(codes)), 0, t, 9)).isTrue();
                }
                assertThat(sequence.events())
                    .extracting(MonitorEvent::token, MonitorEvent::begins, MonitorEvent::value, MonitorEvent::answer)
                    .containsExactly(tuple(1, true, 11.0, true),
                        tuple(6, false, 5.0, true), tuple(7, true, 20.0, true));
            }
        }
    }

    @Test
    void refusesWhatItWasNotMadeFor() {
        try (Sae sae = relu("refuse");
             Sae other = Sae.load(new SaeFixture(D, D_SAE, 6, "b_enc").saeLens(directory.resolve("other")), engine);
             Sae wider = Sae.load(new SaeFixture(D, D_SAE + 1, 6, "b_enc").saeLens(directory.resolve("wider")), engine)) {
            MonitorSpec spec = MonitorSpec.of(List.of(NEVER), Map.of(1, sae));
            assertThatThrownBy(() -> Monitor.open(model, Map.of(1, other), spec)).isInstanceOf(InputException.class)
                .hasMessageContaining("another SAE of layer 1").hasMessageContaining("calibrate again");
            assertThatThrownBy(() -> Monitor.open(model, Map.of(1, wider), spec)).isInstanceOf(InputException.class)
                .hasMessageContaining("50 features").hasMessageContaining("has 51");
            assertThatThrownBy(() -> Monitor.open(model, Map.of(0, sae), spec)).isInstanceOf(InputException.class)
                .hasMessageContaining("reads layer 1").hasMessageContaining("of the layers [0]");
            assertThatThrownBy(() -> MonitorSpec.of(List.of(rule(Signal.of(new Feature(1, 50)), Part.ALL, 1, 1, 1, new Action.Note())),
                Map.of(1, sae))).isInstanceOf(InputException.class).hasMessageContaining("feature 1:50 does not exist");
            assertThatThrownBy(() -> MonitorSpec.of(List.of(NEVER, NEVER), Map.of(1, sae))).isInstanceOf(InputException.class)
                .hasMessageContaining("two rules of a monitor are called 'r'");
            assertThatThrownBy(() -> new Trigger(Trigger.Side.BELOW, 1, 0.5, 1)).isInstanceOf(InputException.class)
                .hasMessageContaining("begins below 1.0 ends at 0.5");
        }
    }
}
