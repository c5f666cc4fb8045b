package io.sails4j.adaptation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.InputException;
import io.sails4j.align.AdapterOptions;
import io.sails4j.align.AdapterVariant;
import io.sails4j.align.AlignOptions;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.config.Projection;
import io.sails4j.data.TokenSequence;
import io.sails4j.files.AtomicFiles;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.LoraMerge;
import io.sails4j.lora.WeightedAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.objective.PassContext;
import io.sails4j.objective.SftLoss;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.subspace.PcaSubspace;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Tensor;
import io.sails4j.testing.Backends;
import io.sails4j.testing.LlamaOracle;
import io.sails4j.testing.TinyModel;
import io.sails4j.trainable.CoreLoraTrainable;
import io.sails4j.trainable.LoraTrainable;
import io.sails4j.trainable.Trainable;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.function.Function;
import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.factory.DecompositionFactory_DDRM;
import org.ejml.interfaces.decomposition.SingularValueDecomposition_F64;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Every kind of adapter against scalar double arithmetic: loss, and the gradient of every trained tensor. */
class AdapterOracleTest {
    private static final long SEED = 1;
    private static final Set<Projection> ALL = EnumSet.allOf(Projection.class);
    private static final int[] IDS = new Random(4).ints(40, 0, 41).toArray();
    private static final double STEP = 1e-5;
    private static final int D = 24;
    private static final ModelConfig CONFIG = TinyModel.LLAMA.toBuilder().vocabSize(41).dModel(D).dFf(36).build();

    @TempDir
    private Path temporary;

    /** A kind of adapter, opened on a model: what is trained, and the adapted weights in double from the trained tensors' values. */
    private record Kind(Trainable trainable, Function<Map<String, double[]>, Map<String, double[]>> adapted, Object adapter,
        List<Runnable> closers)
        implements AutoCloseable {
        @Override
        public void close() {
            closers.forEach(Runnable::run);
        }
    }

    private static AdapterOptions options(AdapterVariant variant) {
        return new AdapterOptions(ALL, 3, 6, variant);
    }

    private static Map<String, Integer> ranks() {
        Map<String, Integer> ranks = new LinkedHashMap<>();
        ranks.put("layers.1.self_attn.q_proj", 6);
        ranks.put("down_proj", 2);
        return ranks;
    }

    private static CausalModel model(Engine engine) {
        return new CausalModel(engine, ModelWeights.random(CONFIG, engine, DType.F32, 11), false);
    }

    private static double[] doubles(Tensor tensor) {
        float[] values = tensor.toFloatArray();
        double[] out = new double[values.length];
        for (int i = 0; i < out.length; i++) {
            out[i] = values[i];
        }
        return out;
    }

    private static Map<String, double[]> weights(CausalModel model) {
        Map<String, double[]> weights = new LinkedHashMap<>();
        model.weights().parameters().forEach((name, tensor) -> weights.put(name, doubles(tensor)));
        return weights;
    }

    /** weight += scale lora_B lora_A. */
    private static void add(double[] weight, double[] b, double[] a, int r, double scale) {
        int dIn = a.length / r;
        for (int i = 0; i < b.length / r; i++) {
            for (int k = 0; k < r; k++) {
                for (int j = 0; j < dIn; j++) {
                    weight[i * dIn + j] += scale * b[i * r + k] * a[k * dIn + j];
                }
            }
        }
    }

    private static double[] rowNorms(double[] weight, int rows) {
        int d = weight.length / rows;
        double[] norms = new double[rows];
        for (int i = 0; i < rows; i++) {
            norms[i] = Math.sqrt(Arrays.stream(weight, i * d, (i + 1) * d).map(x -> x * x).sum());
        }
        return norms;
    }

    private static Kind plain(CausalModel model, AdapterVariant variant) {
        LoraAdapter adapter = AdapterInitialiser.plain(model, options(variant), SEED, "tiny");
        LoraTrainable trainable = new LoraTrainable(adapter, model.engine().device());
        return new Kind(trainable, values -> withFactors(weights(model), adapter, values), adapter,
            List.of(trainable::close, adapter::close));
    }

    private static Map<String, double[]> withFactors(Map<String, double[]> weights, LoraAdapter adapter, Map<String, double[]> values) {
        adapter.modules().forEach((module, f) -> add(weights.get(module.path() + ".weight"), values.get(module.path() + ".lora_B.weight"),
            values.get(module.path() + ".lora_A.weight"), (int) f.r(), f.scale()));
        return weights;
    }

    /** The norms are constants of the gradient (arXiv:2402.09353, section 4.3): those of the first call. */
    private static Kind dora(CausalModel model) {
        LoraAdapter adapter = AdapterInitialiser.plain(model,
            options(new AdapterVariant(false, Map.of(), Map.of(), AdapterVariant.Init.KAIMING, true)), SEED, "tiny");
        LoraTrainable trainable = new LoraTrainable(adapter, model.engine().device());
        Map<String, double[]> norms = new TreeMap<>();
        return new Kind(trainable, values -> {
            Map<String, double[]> weights = withFactors(weights(model), adapter, values);
            adapter.modules().keySet().forEach(module -> {
                double[] weight = weights.get(module.path() + ".weight");
                double[] magnitude = values.get(module.path() + ".lora_magnitude_vector");
                double[] norm = norms.computeIfAbsent(module.path(), _ -> rowNorms(weight, magnitude.length));
                int d = weight.length / magnitude.length;
                for (int i = 0; i < weight.length; i++) {
                    weight[i] *= magnitude[i / d] / norm[i / d];
                }
            });
            return weights;
        }, adapter, List.of(trainable::close, adapter::close));
    }

    private static Kind pissa(CausalModel model) {
        PissaAdapter pissa = new PissaAdapter(model, options(new AdapterVariant(true, ranks(), Map.of(), AdapterVariant.Init.PISSA, false)),
            SEED, "tiny");
        LoraTrainable trainable = new LoraTrainable(pissa.trained(), pissa.takenOut(), model.engine().device());
        return new Kind(trainable, values -> {
            Map<String, double[]> weights = withFactors(weights(model), pissa.trained(), values);
            pissa.takenOut().modules()
                .forEach((module, f) -> add(weights.get(module.path() + ".weight"), doubles(f.loraB()), doubles(f.loraA()),
                    (int) f.r(), f.scale()));
            return weights;
        }, pissa, List.of(trainable::close, pissa::close));
    }

    /** lora_B = U C in modules that write to the residual stream, lora_A = C U^T in the others. */
    private static Kind core(CausalModel model) {
        int dimension = 5;
        float[][] directions = new float[dimension][D];
        Random random = new Random(3);
        for (float[] row : directions) {
            for (int j = 0; j < D; j++) {
                row[j] = (float) random.nextGaussian();
            }
        }
        double[][] basis = PcaSubspace.of(directions, 1, false).basis();
        float[] flat = new float[D * dimension];
        for (int i = 0; i < flat.length; i++) {
            flat[i] = (float) basis[i / dimension][i % dimension];
        }
        LoraAdapter adapter = AdapterInitialiser.plain(model, options(AdapterVariant.plain()), SEED, "tiny");
        Tensor u = model.engine().device().upload(HostTensor.ofFloats(flat, D, dimension));
        Map<ModuleKey, Tensor> bases = new TreeMap<>();
        adapter.modules().keySet().forEach(module -> bases.put(module, u));
        CoreLoraTrainable trainable = new CoreLoraTrainable(adapter, bases, model.engine());
        return new Kind(trainable, values -> {
            Map<String, double[]> whole = new TreeMap<>(values);
            adapter.modules().forEach(
                (module, f) -> whole.put(module.path() + (module.projection().readsResidual() ? ".lora_A.weight" : ".lora_B.weight"),
                    fromCore(module, values, flat, (int) f.r(), dimension)));
            return withFactors(weights(model), adapter, whole);
        }, adapter, List.of(trainable::close, u::close, adapter::close));
    }

    private static double[] fromCore(ModuleKey module, Map<String, double[]> values, float[] u, int r, int dimension) {
        boolean right = module.projection().readsResidual();
        double[] core = values.get(module.path() + (right ? ".lora_A.core" : ".lora_B.core"));
        double[] factor = new double[r * D];
        for (int i = 0; i < D; i++) {
            for (int k = 0; k < r; k++) {
                for (int c = 0; c < dimension; c++) {
                    factor[right ? k * D + i : i * r + k] += u[i * dimension + c] * core[right ? k * dimension + c : c * r + k];
                }
            }
        }
        return factor;
    }

    @ParameterizedTest
    @ValueSource(strings = {"cpu", "emulator"})
    void lossAndEveryGradient(String backend) {
        Map<String, Function<CausalModel, Kind>> kinds = new LinkedHashMap<>();
        kinds.put("plain", model -> plain(model, AdapterVariant.plain()));
        kinds.put("rsLoRA by pattern, orthogonal", model -> plain(model,
            new AdapterVariant(true, Map.of("layers.1.self_attn.q_proj", 6, ".*_proj", 2), Map.of("down_proj", 8.0),
                AdapterVariant.Init.ORTHOGONAL, false)));
        kinds.put("DoRA", AdapterOracleTest::dora);
        kinds.put("PiSSA", AdapterOracleTest::pissa);
        kinds.put("core", AdapterOracleTest::core);
        for (Map.Entry<String, Function<CausalModel, Kind>> entry : kinds.entrySet()) {
            try (Engine engine = Backends.open(backend); CausalModel model = model(engine); Kind kind = entry.getValue().apply(model);
                 ModelSession session = ModelSession.open(model); PassContext context = PassContext.of(session)) {
                check(entry.getKey(), kind, context);
            }
        }
    }

    private static void check(String name, Kind kind, PassContext context) {
        Trainable trainable = kind.trainable;
        Random random = new Random(8);
        trainable.parameters().forEach(p -> disturb(p.value(), random));
        trainable.publish();
        boolean[] counted = new boolean[IDS.length];
        Arrays.fill(counted, true);
        trainable.zeroGradients();
        double weight = IDS.length - 1;
        double loss = new SftLoss(List.of(new TokenSequence(IDS, counted))).sumAndGradient(context, trainable, new int[] {0}, weight)
            / weight;
        trainable.collectGradients();
        Map<String, double[]> values = new TreeMap<>();
        trainable.parameters().forEach(p -> values.put(p.name(), doubles(p.value())));
        assertThat(loss).as(name).isCloseTo(lossOf(kind, values), within(1e-5));
        for (Trainable.Parameter p : trainable.parameters()) {
            double[] gradient = doubles(p.gradient());
            double norm = Math.sqrt(Arrays.stream(gradient).map(g -> g * g).sum());
            assertThat(norm).as(name + ", " + p.name()).isPositive();
            double[] original = values.get(p.name());
            double[] direction = random.doubles(original.length, -1, 1).toArray();
            double length = Math.sqrt(Arrays.stream(direction).map(v -> v * v).sum());
            double product = 0;
            for (int i = 0; i < direction.length; i++) {
                direction[i] /= length;
                product += direction[i] * gradient[i];
            }
            double slope = (lossAt(kind, values, p.name(), direction, STEP) - lossAt(kind, values, p.name(), direction, -STEP))
                / (2 * STEP);
            values.put(p.name(), original);
            assertThat(product).as(name + ", " + p.name()).isCloseTo(slope, within(1e-4 * norm + 1e-9));
        }
    }

    private static void disturb(Tensor tensor, Random random) {
        float[] values = tensor.toFloatArray();
        for (int i = 0; i < values.length; i++) {
            values[i] += (float) (0.1 * random.nextGaussian());
        }
        tensor.upload(values);
    }

    private static double lossOf(Kind kind, Map<String, double[]> values) {
        return new LlamaOracle(CONFIG, kind.adapted.apply(values)).loss(IDS);
    }

    private static double lossAt(Kind kind, Map<String, double[]> values, String name, double[] direction, double step) {
        double[] moved = values.get(name).clone();
        for (int i = 0; i < moved.length; i++) {
            moved[i] += step * direction[i];
        }
        Map<String, double[]> there = new TreeMap<>(values);
        there.put(name, moved);
        return lossOf(kind, there);
    }

    // ---------------------------------------------------------------- DoRA and PiSSA beyond gradients

    private static double loss(CausalModel model, AdapterStack adapters) {
        boolean[] counted = new boolean[IDS.length];
        Arrays.fill(counted, true);
        try (ModelSession session = ModelSession.open(model); PassContext context = PassContext.of(session)) {
            return new SftLoss(List.of(new TokenSequence(IDS, counted))).mean(context, adapters, new int[] {0}, 1000);
        }
    }

    /** Two sums of some dozens of f32 terms in another order, in a loss of about 4. */
    private static final double ROUNDING = 64 * Math.ulp(1f);

    @Test
    void bothLeaveTheModelAsItIsAtTheStartAndOpenAsWritten() {
        for (Function<CausalModel, Kind> opened : List.<Function<CausalModel, Kind>>of(AdapterOracleTest::dora, AdapterOracleTest::pissa)) {
            try (Engine engine = Engine.open(EngineOptions.defaults()); CausalModel model = model(engine);
                 Kind kind = opened.apply(model)) {
                assertThat(loss(model, kind.trainable.adapters())).isCloseTo(loss(model, AdapterStack.none()), within(ROUNDING));
                Random random = new Random(9);
                kind.trainable.parameters().forEach(p -> disturb(p.value(), random));
                kind.trainable.publish();
                double trained = loss(model, kind.trainable.adapters());
                assertThat(trained).isNotCloseTo(loss(model, AdapterStack.none()), within(1e-3));
                Object owner = kind.adapter;
                Path written = temporary.resolve(owner.getClass().getSimpleName());
                AtomicFiles.writeDirectory(written, directory -> {
                    if (owner instanceof PissaAdapter pissa) {
                        pissa.writeInto(directory);
                    } else {
                        ((LoraAdapter) owner).writeInto(directory);
                    }
                });
                try (LoraAdapter read = LoraAdapter.load(written, CONFIG, engine)) {
                    assertThat(read.config().dora()).isEqualTo(owner instanceof LoraAdapter);
                    assertThat(loss(model, AdapterStack.of(read.modules()))).isCloseTo(trained, within(ROUNDING));
                    LoraMerge.apply(model.weights(), read.modules(), engine);
                    assertThat(loss(model, AdapterStack.none())).as("merged").isCloseTo(trained, within(ROUNDING));
                }
            }
        }
    }

    @Test
    void pissaTakesTheLargestSingularValues() {
        try (Engine engine = Engine.open(EngineOptions.defaults()); CausalModel model = model(engine)) {
            Tensor weight = model.weights().parameter("model.layers.0.mlp.gate_proj.weight");
            DMatrixRMaj matrix = new DMatrixRMaj((int) weight.dim(0), (int) weight.dim(1), true, doubles(weight));
            SingularValueDecomposition_F64<DMatrixRMaj> svd = DecompositionFactory_DDRM.svd(matrix.numRows, matrix.numCols, false, false,
                true);
            assertThat(svd.decompose(matrix)).isTrue();
            double[] exact = Arrays.stream(svd.getSingularValues()).sorted().toArray();
            PrincipalFactors principal = PrincipalFactors.of(weight, 6, 1, engine);
            for (int i = 0; i < 6; i++) {
                assertThat(principal.values()[i]).isCloseTo(exact[exact.length - 1 - i], within(1e-5 * exact[exact.length - 1]));
            }
            assertThatThrownBy(() -> PrincipalFactors.of(weight, 25, 1, engine)).isInstanceOf(InputException.class)
                .hasMessageContaining("24");
        }
    }

    @Test
    void doraStandsAloneAndHasNoWeight() {
        try (Engine engine = Engine.open(EngineOptions.defaults()); CausalModel model = model(engine); Kind dora = dora(model);
             Kind plain = plain(model, AdapterVariant.plain())) {
            Map<ModuleKey, LowRankAdapter> one = dora.trainable.adapters().adapters().getFirst();
            Map<ModuleKey, LowRankAdapter> other = plain.trainable.adapters().adapters().getFirst();
            assertThatThrownBy(() -> new AdapterStack(List.of(one, other))).isInstanceOf(InputException.class).hasMessageContaining("DoRA");
            assertThatThrownBy(() -> new WeightedAdapter(Path.of("d"), 0.5f).modules((LoraAdapter) dora.adapter))
                .isInstanceOf(InputException.class)
                .hasMessageContaining("weight");
        }
        assertThatThrownBy(() -> AlignOptions.defaults().with(o -> o.adapter = options(AdapterVariant.plain().with(v -> v.useDora = true))))
            .isInstanceOf(InputException.class)
            .hasMessageContaining("method=lora");
    }
}
