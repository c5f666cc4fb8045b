package io.sails4j.explain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.adaptation.AdapterUpdates;
import io.sails4j.adaptation.UpdateSquares;
import io.sails4j.config.ModuleKey;
import io.sails4j.config.Projection;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenSequence;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.LoraConfig;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SaeFixture;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.tensor.Tensor;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import java.nio.file.Path;
import java.util.Comparator;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What an adapter changes, against dense matrices in double. */
class AdapterExplanationTest {
    private static final int D_SAE = 40;

    @TempDir
    private Path directory;
    private Engine engine;
    private CausalModel model;

    @BeforeEach
    void open() {
        engine = Backends.open("cpu", 1);
        model = TinyModel.open(engine);
    }

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    private LoraAdapter adapter(boolean dora, long seed) {
        LoraConfig config = LoraConfig.uniform(TinyModel.CONFIG, EnumSet.allOf(Projection.class), 3, 6, "tiny")
            .withDora(dora);
        LoraAdapter adapter = LoraAdapter.create(config, TinyModel.CONFIG, engine.device());
        Random random = new Random(seed);
        adapter.modules().values().forEach(factors -> {
            fill(factors.loraA(), random, 0);
            fill(factors.loraB(), random, 0);
            if (factors.dora() != null) {
                fill(factors.dora().magnitude(), random, 1);
            }
        });
        return adapter;
    }

    private static void fill(Tensor tensor, Random random, float around) {
        float[] values = new float[(int) tensor.numel()];
        for (int i = 0; i < values.length; i++) {
            values[i] = around + 0.2f * (float) random.nextGaussian();
        }
        tensor.upload(values);
    }

    /** dW [d_out][d_in] as it is defined. */
    private double[][] update(ModuleKey module, LowRankAdapter factors) {
        float[] weight = model.weights().parameter(module.path() + ".weight").toFloatArray();
        float[] a = factors.loraA().toFloatArray();
        float[] b = factors.loraB().toFloatArray();
        float[] magnitude = factors.dora() == null ? null : factors.dora().magnitude().toFloatArray();
        int r = (int) factors.r();
        int dIn = a.length / r;
        int dOut = b.length / r;
        double[][] update = new double[dOut][dIn];
        for (int o = 0; o < dOut; o++) {
            double square = 0;
            for (int i = 0; i < dIn; i++) {
                for (int k = 0; k < r; k++) {
                    update[o][i] += (double) factors.scale() * b[o * r + k] * a[k * dIn + i];
                }
                double adapted = weight[o * dIn + i] + update[o][i];
                square += adapted * adapted;
            }
            for (int i = 0; i < dIn && magnitude != null; i++) {
                double adapted = weight[o * dIn + i] + update[o][i];
                update[o][i] = magnitude[o] * adapted / Math.sqrt(square) - weight[o * dIn + i];
            }
        }
        return update;
    }

    private static double inside(double[][] update, SafetySubspace.Layer layer, boolean right) {
        double sum = 0;
        int r = layer.dimension();
        for (int c = 0; c < r; c++) {
            int lines = right ? update.length : update[0].length;
            for (int line = 0; line < lines; line++) {
                double coordinate = 0;
                for (int j = 0; j < layer.dModel(); j++) {
                    coordinate += layer.basis()[j * r + c] * (right ? update[line][j] : update[j][line]);
                }
                sum += coordinate * coordinate;
            }
        }
        return sum;
    }

    private static double square(double[][] update) {
        double sum = 0;
        for (double[] row : update) {
            for (double x : row) {
                sum += x * x;
            }
        }
        return sum;
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void normsAndSharesAreThoseOfTheDenseUpdate(boolean dora) {
        SafetySubspace subspace = TinyModel.subspace(5, 4, 1);
        SafetySubspace.Layer layer = subspace.nearest(0);
        SubspaceFile file = new SubspaceFile(new Source(Path.of("s"), "0"), subspace);
        try (LoraAdapter adapter = adapter(dora, 3)) {
            Explainer explainer = new Explainer(model, directory, null, new TreeMap<>(), ExplainOptions.defaults());
            AdapterExplanation found = explainer.adapter(new AdapterFile(new Source(Path.of("a"), "0"), adapter), file, null, null);
            assertThat(found.modules()).hasSize(14);
            double all = 0;
            double within = 0;
            for (AdapterExplanation.Module module : found.modules()) {
                double[][] update = update(module.module(), Objects.requireNonNull(adapter.modules().get(module.module())));
                double square = square(update);
                double inside = inside(update, layer, module.module().projection().readsResidual());
                assertThat(module.update().norm()).isCloseTo(Math.sqrt(square), within(1e-5 * Math.sqrt(square)));
                assertThat(module.update().inside()).isCloseTo(inside / square, within(1e-5));
                assertThat(module.update().random()).isEqualTo(4 / 24.0);
                all += module.module().layer() == 1 ? square : 0;
                within += module.module().layer() == 1 ? inside : 0;
            }
            assertThat(found.layers()).hasSize(2);
            assertThat(found.layers().get(1).update().inside()).isCloseTo(within / all, within(1e-5));
            assertThat(found.json().at("/modules/0/module").asText()).isEqualTo("model.layers.0.self_attn.q_proj");
            AdapterExplanation alone = explainer.adapter(new AdapterFile(new Source(Path.of("a"), "0"), adapter), null, null, null);
            assertThat(alone.modules().get(3).update().norm()).isEqualTo(found.modules().get(3).update().norm());
            assertThat(alone.json().at("/modules/3/inside").isNull()).isTrue();
        }
    }

    @Test
    void anAdapterOfZerosHasNoShare() {
        try (LoraAdapter zero = LoraAdapter.create(LoraConfig.uniform(TinyModel.CONFIG, EnumSet.of(Projection.Q_PROJ), 2, 2,
            "tiny"), TinyModel.CONFIG, engine.device())) {
            AdapterExplanation found = new Explainer(model, directory, null, new TreeMap<>(), ExplainOptions.defaults()).adapter(
                new AdapterFile(new Source(Path.of("a"), "0"), zero),
                new SubspaceFile(new Source(Path.of("s"), "0"), TinyModel.subspace(5, 4, 1)), null, null);
            assertThat(found.json().at("/modules/0/norm").asDouble()).isZero();
            assertThat(found.json().at("/modules/0/inside").isNull()).isTrue();
            assertThat(found.json().at("/layers/0/random").asDouble()).isEqualTo(4 / 24.0);
        }
    }

    /** The mean over random subspaces is r_s / d_model; its spread is that of the sample. */
    @Test
    void randomSubspacesGetTheirDimensionsShareOnAverage() {
        int drawn = 40;
        try (LoraAdapter adapter = adapter(false, 8)) {
            ModuleKey module = adapter.modules().keySet().iterator().next();
            Map<ModuleKey, LowRankAdapter> one = Map.of(module, Objects.requireNonNull(adapter.modules().get(module)));
            // Seeds that follow one another begin alike.
            double[] shares = new Random(1).longs(drawn).mapToDouble(seed -> {
                UpdateSquares squares = AdapterUpdates.of(model, one, TinyModel.subspace(seed, 5, 0)).get(module);
                return squares == null ? Double.NaN : squares.share();
            }).toArray();
            double mean = IntStream.range(0, drawn).mapToDouble(i -> shares[i]).average().orElse(Double.NaN);
            double variance = IntStream.range(0, drawn).mapToDouble(i -> (shares[i] - mean) * (shares[i] - mean)).sum() / (drawn - 1);
            assertThat(mean).isCloseTo(5 / 24.0, within(4 * Math.sqrt(variance / drawn)));
            assertThat(Math.sqrt(variance / drawn)).as("the test can fail").isLessThan(0.03);
        }
    }

    @Test
    void shiftsAreTheDifferencesOfMeansLargestFirst() {
        SaeFixture fixture = ExplainFixtures.sae(D_SAE, 4);
        Corpus corpus = ExplainFixtures.corpus(TinyModel.pairs(5, 6));
        SafetySubspace subspace = TinyModel.subspace(5, 4, 1);
        try (LoraAdapter adapter = adapter(false, 3); Sae sae = Sae.load(fixture.saeLens(directory.resolve("sae")), engine)) {
            Explainer explainer = new Explainer(model, directory, null, new TreeMap<>(Map.of(1, sae)),
                ExplainOptions.defaults().with(o -> o.features = 6));
            AdapterStack stack = AdapterStack.of(adapter.modules());
            AdapterExplanation found = explainer.adapter(new AdapterFile(new Source(Path.of("a"), "0"), adapter),
                new SubspaceFile(new Source(Path.of("s"), "0"), subspace),
                explainer.scan(corpus, AdapterStack.none(), Progress.none()), explainer.scan(corpus, stack, Progress.none()));
            double[] before = means(corpus, new SlowFeatures(model, AdapterStack.none(), 1, fixture));
            double[] after = means(corpus, new SlowFeatures(model, stack, 1, fixture));
            List<Integer> falling = IntStream.range(0, D_SAE).boxed()
                .sorted(Comparator.comparingDouble(f -> -Math.abs(after[f] - before[f]))).toList();
            assertThat(found.layers().get(0).features()).isEmpty();
            List<AdapterExplanation.Shift> shifts = found.layers().get(1).features();
            assertThat(shifts).extracting(AdapterExplanation.Shift::feature).isEqualTo(falling.subList(0, 6));
            for (AdapterExplanation.Shift shift : shifts) {
                assertThat(shift.meanBefore()).isCloseTo(before[shift.feature()], within(1e-4));
                assertThat(shift.shift()).isCloseTo(after[shift.feature()] - before[shift.feature()], within(1e-4));
                assertThat(Double.isNaN(shift.score())).isEqualTo(shift.feature() != 3 && shift.feature() != 1);
            }
        }
    }

    private static double[] means(Corpus corpus, SlowFeatures slow) {
        double[] sums = new double[D_SAE];
        int tokens = 0;
        for (TokenSequence sequence : corpus.sequences()) {
            double[][] features = slow.of(sequence.ids());
            for (int t = 0; t < features.length; t++) {
                tokens += sequence.counted()[t] ? 1 : 0;
                for (int f = 0; f < D_SAE && sequence.counted()[t]; f++) {
                    sums[f] += features[t][f];
                }
            }
        }
        for (int f = 0; f < D_SAE; f++) {
            sums[f] /= tokens;
        }
        return sums;
    }
}
