package io.sails4j.subspace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenSequence;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.Site;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SaeFixture;
import io.sails4j.tensor.DType;
import io.sails4j.testing.Backends;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The pipeline on a model of random weights: the same bytes each time, one pass for all layers, and what it refuses. */
class SubspacePipelineTest {
    private static final int D_MODEL = 16;
    private static final int D_SAE = 48;
    private static final Path MODEL = Path.of("random-model");

    @TempDir
    private Path directory;
    private Engine engine;
    private CausalModel model;

    @BeforeEach
    void open() {
        engine = Backends.open("cpu", 1);
        ModelConfig config = ModelConfig.gemma2().vocabSize(40).dModel(D_MODEL).layers(4).heads(2, 1).headDim(8).dFf(32).slidingWindow(8)
            .maxPositionEmbeddings(64).checkpointDtype(DType.F32).build();
        model = new CausalModel(engine, ModelWeights.random(config, engine, DType.F32, 5), false);
    }

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    private static TokenSequence sequence(Random random, int prompt, int answer) {
        int[] ids = random.ints(prompt + answer, 3, 40).toArray();
        boolean[] counted = new boolean[ids.length];
        Arrays.fill(counted, prompt, ids.length, true);
        return new TokenSequence(ids, counted);
    }

    private static List<TokenPair> pairs() {
        Random random = new Random(3);
        List<TokenPair> pairs = new ArrayList<>();
        for (int i = 0; i < 7; i++) {
            pairs.add(new TokenPair(sequence(random, 3, 1 + i), sequence(random, 3, 5)));
        }
        return pairs;
    }

    @Test
    void sequencesBeyondTheModelsPositionsAreRefusedFirst() {
        TokenSequence far = sequence(new Random(1), 3, 70);
        try (Sae sae = sae(SaeFixture.jumprelu(D_MODEL, D_SAE))) {
            assertThatThrownBy(
                () -> pipeline(Map.of(0, sae), options(12, 40)).scores(List.of(new TokenPair(far, far)), Progress.none()))
                .isInstanceOf(InputException.class).hasMessageContaining("is 73").hasMessageContaining("max_position_embeddings of 64")
                .hasMessageContaining("max_length=64");
        }
    }

    private Sae sae(SaeFixture fixture) {
        return Sae.load(fixture.saeLens(directory.resolve("sae")), engine);
    }

    private static SubspaceOptions options(int topK, int batchTokens) {
        return new SubspaceOptions(topK, 0.8, true, false, Pooling.TOKEN, batchTokens);
    }

    private SubspacePipeline pipeline(Map<Integer, Sae> saes, SubspaceOptions options) {
        return new SubspacePipeline(model, MODEL, new TreeMap<>(saes), options);
    }

    @Test
    void theSameInputsGiveTheSameBytes() throws IOException {
        List<Long> done = new ArrayList<>();
        try (Sae sae = sae(SaeFixture.jumprelu(D_MODEL, D_SAE))) {
            Map<Integer, Sae> saes = Map.of(0, sae, 2, sae);
            SafetySubspace subspace = pipeline(saes, options(12, 40)).build(pairs(), Map.of("data", "x"),
                (d, total, tokens) -> done.add(d));
            subspace.write(directory.resolve("a"));
            pipeline(saes, options(12, 40)).build(pairs(), Map.of("data", "x"), Progress.none()).write(directory.resolve("b"));
            assertThat(Files.readAllBytes(directory.resolve("a"))).isEqualTo(Files.readAllBytes(directory.resolve("b")));
            SafetySubspace read = SafetySubspace.read(directory.resolve("a"));
            read.requireModel(model.config(), directory, MODEL);
            assertThat(read.layers().keySet()).containsExactly(0, 2);
            assertThat(read.layers().get(2).featureIds()).hasSizeBetween(1, 12);
            assertThat(read.provenance()).containsEntry("top_k", "12").containsKey("sae.2.config");
        }
        assertThat(done).isSorted().last().isEqualTo(14L);
        assertThat(done).as("several batches").hasSizeGreaterThan(1);
    }

    @Test
    void layersTogetherAreAsLayersAlone() {
        try (Sae sae = sae(SaeFixture.jumprelu(D_MODEL, D_SAE))) {
            var both = pipeline(Map.of(1, sae, 3, sae), options(8, 4096)).scores(pairs(), Progress.none());
            var alone = pipeline(Map.of(1, sae), options(8, 4096)).scores(pairs(), Progress.none());
            assertThat(both.get(1).scores()).isEqualTo(alone.get(1).scores());
            assertThat(both.get(3).scores()).isNotEqualTo(both.get(1).scores());
        }
    }

    private static void refused(Runnable call, String... parts) {
        assertThatThrownBy(call::run).isInstanceOf(InputException.class).hasMessageContainingAll(parts);
    }

    @Test
    void whatDoesNotFit() {
        refused(() -> pipeline(Map.of(), options(4, 64)), "no SAE", "sae=LAYER=PATH");
        try (Sae sae = sae(SaeFixture.jumprelu(D_MODEL, D_SAE))) {
            refused(() -> pipeline(Map.of(4, sae), options(4, 64)), "sae=4=", "random-model has layers 0 to 3");
            refused(() -> pipeline(Map.of(1, sae), options(D_SAE + 1, 64)), "top_k is 49", "48 features");
            refused(() -> pipeline(Map.of(1, sae), options(4, 64)).scores(List.of(), Progress.none()), "no preference pair");
        }
        try (Sae narrow = sae(SaeFixture.jumprelu(D_MODEL - 1, D_SAE))) {
            refused(() -> pipeline(Map.of(1, narrow), options(4, 64)), "d_in = 15", "d_model = 16", "random-model");
        }
    }

    @Test
    void anSaeOfAnotherPlace() {
        try (Sae sae = sae(SaeFixture.jumprelu(D_MODEL, D_SAE).with("\"hook_name\": \"blocks.3.hook_resid_post\","))) {
            assertThat(sae.hook().describe()).isEqualTo("the residual stream after layer 3");
            refused(() -> pipeline(Map.of(2, sae), options(4, 64)), "after layer 3", "not to the residual stream after layer 2",
                "cfg.json");
            assertThat(pipeline(Map.of(3, sae), options(4, 64)).scores(pairs(), Progress.none())).containsOnlyKeys(3);
        }
        try (Sae sae = sae(SaeFixture.jumprelu(D_MODEL, D_SAE).with("\"hook_name\": \"blocks.3.hook_resid_pre\","))) {
            refused(() -> pipeline(Map.of(3, sae), options(4, 64)), "after layer 2", "not to the residual stream after layer 3");
            assertThat(pipeline(Map.of(2, sae), options(4, 64)).scores(pairs(), Progress.none())).containsOnlyKeys(2);
        }
        try (Sae sae = sae(SaeFixture.jumprelu(D_MODEL, D_SAE).with("\"hook_name\": \"blocks.3.hook_mlp_out\","))) {
            refused(() -> pipeline(Map.of(3, sae), options(4, 64)), "blocks.3.hook_mlp_out", "expected blocks.N.hook_resid_post");
        }
    }

    @Test
    void featuresThatNeverFire() {
        float[] high = new float[D_SAE];
        Arrays.fill(high, 1e30f);
        try (Sae sae = sae(SaeFixture.jumprelu(D_MODEL, D_SAE).with("threshold", high, D_SAE))) {
            refused(() -> pipeline(Map.of(1, sae), options(4, 64)).build(pairs(), Map.of(), Progress.none()), "no feature of", "layer 1",
                "none is active");
        }
    }

    @Test
    void theDirectControlOfOnePairIsItsDifference() {
        List<TokenPair> pairs = pairs();
        double[] expected = difference(pairs.get(3), 1);
        SafetySubspace.Layer found = Objects.requireNonNull(ControlSubspaces.direct(model, new TreeMap<>(Map.of(1, 1)),
            List.of(pairs.get(3)), 4096, Map.of(), Progress.none()).layers().get(1));
        double norm = Math.sqrt(Arrays.stream(expected).map(v -> v * v).sum());
        double sign = Math.signum(expected[0] * found.basis()[0]);
        for (int j = 0; j < D_MODEL; j++) {
            assertThat((double) found.basis()[j]).isCloseTo(sign * expected[j] / norm, within(1e-5));
        }
        assertThat(found.featureIds()).isEmpty();
    }

    @Test
    void theDirectControlDoesNotDependOnBatches() {
        TreeMap<Integer, Integer> dimensions = new TreeMap<>(Map.of(0, 2, 3, 4));
        SafetySubspace large = ControlSubspaces.direct(model, dimensions, pairs(), 4096, Map.of(), Progress.none());
        SafetySubspace small = ControlSubspaces.direct(model, dimensions, pairs(), 10, Map.of(), Progress.none());
        large.layers().forEach((layer, of) -> {
            float[] other = Objects.requireNonNull(small.layers().get(layer)).basis();
            for (int i = 0; i < other.length; i++) {
                assertThat(other[i]).isCloseTo(of.basis()[i], within(1e-4f));
            }
        });
        assertThatThrownBy(() -> ControlSubspaces.direct(model, new TreeMap<>(Map.of(0, 8)), pairs(), 4096, Map.of(), Progress.none()))
            .isInstanceOf(InputException.class).hasMessageContaining("at most the number of pairs, 7");
        assertThatThrownBy(() -> ControlSubspaces.direct(model, new TreeMap<>(Map.of(4, 1)), pairs(), 4096, Map.of(), Progress.none()))
            .isInstanceOf(InputException.class).hasMessageContaining("expected 0 to 3");
    }

    /** Mean over the aligned answer's tokens less that over the unaligned answer's. */
    private double[] difference(TokenPair pair, int at) {
        double[] difference = new double[D_MODEL];
        try (ModelSession session = ModelSession.open(model)) {
            for (TokenSequence sequence : List.of(pair.aligned(), pair.unaligned())) {
                session.forward(TokenBatch.of(sequence.ids()), AdapterStack.none(), new ForwardOptions(false, at, (site, layer, value) -> {
                    if (site == Site.LAYER && layer == at) {
                        float[] stream = value.toFloatArray();
                        double weight = (sequence == pair.aligned() ? 1.0 : -1.0) / sequence.countedTokens();
                        for (int i = 0; i < stream.length; i++) {
                            difference[i % D_MODEL] += sequence.counted()[i / D_MODEL] ? weight * stream[i] : 0;
                        }
                    }
                })).close();
            }
        }
        return difference;
    }

    @Test
    void aRandomControlIsOrthonormalAndFollowsItsSeed() {
        TreeMap<Integer, Integer> dimensions = new TreeMap<>(Map.of(0, 3, 2, 5));
        SafetySubspace first = ControlSubspaces.random(D_MODEL, 4, dimensions, 1, Map.of());
        first.write(directory.resolve("random.safetensors"));
        SafetySubspace read = SafetySubspace.read(directory.resolve("random.safetensors")); // checks that columns are orthonormal
        assertThat(read.layers().keySet()).containsExactly(0, 2);
        assertThat(read.provenance()).containsEntry("identification", "random").containsEntry("seed", "1");
        float[] again = ControlSubspaces.random(D_MODEL, 4, dimensions, 1, Map.of()).nearest(0).basis();
        float[] other = ControlSubspaces.random(D_MODEL, 4, dimensions, 2, Map.of()).nearest(0).basis();
        assertThat(again).isEqualTo(first.nearest(0).basis()).isNotEqualTo(other);
    }
}
