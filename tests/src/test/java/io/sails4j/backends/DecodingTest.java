package io.sails4j.backends;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModelFamily;
import io.sails4j.config.ModuleKey;
import io.sails4j.config.Projection;
import io.sails4j.config.RopeScaling;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.DoraScale;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.Generator;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Graphs;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.testing.Backends;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;
import java.util.stream.IntStream;
import org.assertj.core.data.Offset;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Decoding with recorded steps, with unrecorded ones, and by a forward over everything. */
class DecodingTest {
    private static final int VOCAB = 97;
    private static final int LAYERS = 2;
    /** Of different lengths, past the sliding window of 5 too. */
    private static final List<int[]> PROMPTS = List.of(new int[] {2, 30, 7}, new int[] {2, 40, 41, 42, 43, 44, 45, 46}, new int[] {2, 50});

    /** What stands beside the weights. */
    enum Adapters { NONE, ONE, TWO, DORA }

    private static CausalModel model(Engine engine, ModelFamily family, DType dtype) {
        ModelConfig config = family == ModelFamily.GEMMA2
            ? ModelConfig.gemma2().vocabSize(VOCAB).dModel(24).layers(LAYERS).heads(4, 2).headDim(6).dFf(40).slidingWindow(5)
                .maxPositionEmbeddings(128).checkpointDtype(DType.F32).build()
            : ModelConfig.llama3().vocabSize(VOCAB).dModel(24).layers(LAYERS).heads(4, 2).headDim(6).dFf(40)
                .rope(10_000, new RopeScaling.None()).maxPositionEmbeddings(128).checkpointDtype(DType.F32).tokens(2, List.of(1), 0)
                .build();
        return new CausalModel(engine, ModelWeights.random(config, engine, dtype, 3), false);
    }

    private static Tensor drawn(Engine engine, SplittableRandom random, double size, long... dims) {
        Tensor tensor = engine.device().allocate(DType.F32, Shape.of(dims));
        float[] values = new float[(int) tensor.numel()];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) (random.nextGaussian() * size);
        }
        tensor.upload(values);
        return tensor;
    }

    /** A factor pair for all projections but one, so that a set has maps with and without. */
    private static Map<ModuleKey, LowRankAdapter> adapter(CausalModel model, boolean dora, int seed, List<Tensor> owned) {
        Map<ModuleKey, LowRankAdapter> parts = new HashMap<>();
        SplittableRandom random = new SplittableRandom(seed);
        for (int layer = 0; layer < LAYERS; layer++) {
            for (Projection p : Projection.values()) {
                if (p == Projection.K_PROJ) {
                    continue;
                }
                Tensor a = drawn(model.engine(), random, 0.2, 3, p.dIn(model.config()));
                Tensor b = drawn(model.engine(), random, 0.2, p.dOut(model.config()), 3);
                owned.addAll(List.of(a, b));
                DoraScale scale = null;
                if (dora) {
                    Tensor magnitude = drawn(model.engine(), random, 1, p.dOut(model.config()));
                    Tensor norm = model.engine().device().allocate(DType.F32, Shape.of(p.dOut(model.config())));
                    owned.addAll(List.of(magnitude, norm));
                    scale = new DoraScale(magnitude, norm);
                }
                parts.put(new ModuleKey(layer, p), new LowRankAdapter(a, b, 0.5f, scale));
            }
        }
        return parts;
    }

    private static AdapterStack stack(CausalModel model, Adapters adapters, List<Tensor> owned) {
        return switch (adapters) {
            case NONE -> AdapterStack.none();
            case ONE -> AdapterStack.of(adapter(model, false, 5, owned));
            case TWO -> new AdapterStack(List.of(adapter(model, false, 5, owned), adapter(model, false, 6, owned)));
            case DORA -> AdapterStack.of(adapter(model, true, 7, owned));
        };
    }

    /** Tokens and, bit by bit, logits of every step. */
    private record Run(List<int[]> tokens, List<float[]> logits) {
    }

    private static Run run(ModelSession session, AdapterStack stack, GenerationOptions options) {
        List<float[]> logits = new ArrayList<>();
        List<int[]> tokens = new Generator(session, stack).generate(PROMPTS, options, (ids, row) -> logits.add(row.toFloatArray()));
        return new Run(tokens, logits);
    }

    private static void assertSame(Run actual, Run expected) {
        assertThat(actual.logits).hasSameSizeAs(expected.logits);
        for (int i = 0; i < expected.logits.size(); i++) {
            assertThat(actual.logits.get(i)).as("logits of step " + i).isEqualTo(expected.logits.get(i));
        }
        assertThat(actual.tokens).containsExactlyElementsOf(expected.tokens);
    }

    @ParameterizedTest
    @EnumSource(Adapters.class)
    void recordedStepsGiveTheSameBits(Adapters adapters) {
        GenerationOptions greedy = GenerationOptions.greedy(9, Set.of());
        GenerationOptions sampled = new GenerationOptions(9, 1.3, 40, 0.95, 11, Set.of());
        for (ModelFamily family : ModelFamily.values()) {
            DType dtype = family == ModelFamily.GEMMA2 ? DType.BF16 : DType.F32;
            List<Tensor> owned = new ArrayList<>();
            try (Engine engine = Backends.open("emulator"); CausalModel model = model(engine, family, dtype);
                 ModelSession session = ModelSession.open(model)) {
                AdapterStack stack = stack(model, adapters, owned);
                for (GenerationOptions options : List.of(greedy, sampled)) {
                    Run plain = run(session, stack, options.withGraphs(Graphs.OFF));
                    assertSame(run(session, stack, options.withGraphs(Graphs.ON)), plain);
                    // Without a listener steps are queued some at a time.
                    assertThat(new Generator(session, stack).generate(PROMPTS, options, null)).containsExactlyElementsOf(plain.tokens);
                }
                owned.forEach(Tensor::close);
            }
        }
    }

    /** A step whose place only the device knows against a forward over the whole sequence, for each sequence of a padded batch. */
    @ParameterizedTest
    @ValueSource(strings = {"cpu", "emulator"})
    void stepsAgreeWithAForwardOverEverything(String backend) {
        for (ModelFamily family : ModelFamily.values()) {
            List<Tensor> owned = new ArrayList<>();
            try (Engine engine = Backends.open(backend); CausalModel model = model(engine, family, DType.F32);
                 ModelSession session = ModelSession.open(model)) {
                AdapterStack stack = stack(model, Adapters.ONE, owned);
                Run run = run(session, stack, GenerationOptions.greedy(7, Set.of()));
                for (int b = 0; b < PROMPTS.size(); b++) {
                    assertAgrees(session, stack, run, b);
                }
                owned.forEach(Tensor::close);
            }
        }
    }

    private static void assertAgrees(ModelSession session, AdapterStack stack, Run run, int b) {
        int[] prompt = PROMPTS.get(b);
        int[] fresh = run.tokens.get(b);
        int[] all = IntStream.concat(Arrays.stream(prompt), Arrays.stream(fresh)).toArray();
        try (ForwardPass pass = session.forward(TokenBatch.of(all), stack, ForwardOptions.inference())) {
            float[] full = session.logits(pass, null).toFloatArray();
            for (int step = 0; step < fresh.length; step++) {
                for (int v = 0; v < VOCAB; v++) {
                    // f32 sums of some hundred terms, in another order.
                    assertThat(run.logits.get(step)[b * VOCAB + v])
                        .isCloseTo(full[(prompt.length - 1 + step) * VOCAB + v], Offset.offset(1e-4f));
                }
            }
        }
    }

    /** More rows than the decoding kernels of a GPU take. */
    @Test
    void aLargeBatchGivesWhatEachPromptGivesAlone() {
        try (Engine engine = Backends.open("emulator"); CausalModel model = model(engine, ModelFamily.GEMMA2, DType.F32);
             ModelSession session = ModelSession.open(model)) {
            List<int[]> prompts = new ArrayList<>();
            for (int i = 0; i < 10; i++) {
                prompts.add(Arrays.copyOf(new int[] {2, 20 + i, 30, 40 + i}, 2 + i % 3));
            }
            Generator generator = new Generator(session, AdapterStack.none());
            List<int[]> together = generator.generate(prompts, GenerationOptions.greedy(5, Set.of()), null);
            for (int i : new int[] {0, 4, 9}) {
                assertThat(together.get(i)).isEqualTo(generator.generate(prompts.get(i), GenerationOptions.greedy(5, Set.of()), null));
            }
        }
    }

    /** Steps that were queued before the host saw the last sequence end leave nothing behind. */
    @Test
    void surplusStepsAreDropped() {
        try (Engine engine = Backends.open("emulator"); CausalModel model = model(engine, ModelFamily.GEMMA2, DType.F32);
             ModelSession session = ModelSession.open(model)) {
            Generator generator = new Generator(session, AdapterStack.none());
            int[] prompt = PROMPTS.getFirst();
            GenerationOptions free = new GenerationOptions(40, 1.5, 0, 1, 4, Set.of());
            int[] tokens = generator.generate(prompt, free, null);
            int last = 20;
            Set<Integer> stop = Set.of(tokens[last]);
            int end = 0;
            while (tokens[end] != tokens[last]) {
                end++;
            }
            List<int[]> seen = new ArrayList<>();
            int[] stopped = generator.generate(prompt, new GenerationOptions(40, 1.5, 0, 1, 4, stop),
                Generator.StepListener.ofTokens(seen::add));
            assertThat(stopped).isEqualTo(Arrays.copyOf(tokens, end + 1));
            assertThat(seen).hasSize(end + 1);
        }
    }

    @Test
    void theCpuRecordsNothing() {
        try (Engine engine = Backends.open("cpu"); CausalModel model = model(engine, ModelFamily.GEMMA2, DType.F32);
             ModelSession session = ModelSession.open(model)) {
            Generator generator = new Generator(session, AdapterStack.none());
            GenerationOptions options = GenerationOptions.greedy(3, Set.of());
            assertThatThrownBy(() -> generator.generate(PROMPTS, options.withGraphs(Graphs.ON), null)).isInstanceOf(InputException.class)
                .hasMessageContaining("cpu").hasMessageContaining("auto or off");
            assertThat(generator.generate(PROMPTS, options.withGraphs(Graphs.OFF), null))
                .containsExactlyElementsOf(generator.generate(PROMPTS, options, null));
        }
    }
}
