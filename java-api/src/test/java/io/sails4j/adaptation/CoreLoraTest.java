package io.sails4j.adaptation;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.align.AdapterOptions;
import io.sails4j.align.AdapterVariant;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.Constraint;
import io.sails4j.align.ConstraintOptions;
import io.sails4j.align.Fill;
import io.sails4j.align.Method;
import io.sails4j.config.ModuleKey;
import io.sails4j.config.Projection;
import io.sails4j.loop.TrainingLoop;
import io.sails4j.model.CausalModel;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.model.LowRankGradient;
import io.sails4j.model.ModelSession;
import io.sails4j.objective.PassContext;
import io.sails4j.objective.SftLoss;
import io.sails4j.ops.Engine;
import io.sails4j.subspace.PcaSubspace;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Tensor;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import io.sails4j.train.Objective;
import io.sails4j.train.ObjectiveOptions;
import io.sails4j.train.Reference;
import io.sails4j.train.RunOptions;
import io.sails4j.train.ScheduleOptions;
import io.sails4j.train.TrainingOptions;
import io.sails4j.trainable.LoraTrainable;
import io.sails4j.trainable.Trainable;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.TreeMap;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** Adapters whose facing factor is U C: they stay in the subspace, and train as projected updates do where the two agree. */
class CoreLoraTest {
    private static final int D = 24;
    private final Engine engine = Backends.open("cpu", 1);
    private final CausalModel model = TinyModel.open(engine);
    private final SftLoss loss = new SftLoss(TinyModel.pairs(8, 4).stream().map(p -> p.aligned()).toList());

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    private static SafetySubspace of(float[] basis, int dimension) {
        TreeMap<Integer, SafetySubspace.Layer> layers = new TreeMap<>();
        layers.put(0, new SafetySubspace.Layer(D, dimension, basis, new int[] {3, 1}, new float[] {2, 1}));
        return new SafetySubspace(layers, Map.of());
    }

    private static SafetySubspace random(int dimension) {
        Random random = new Random(3);
        float[][] directions = new float[dimension][D];
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
        return of(flat, dimension);
    }

    /** The span of some unit vectors: then the entries of F inside are those of C, and those outside are 0. */
    private static SafetySubspace axes(int... indices) {
        float[] flat = new float[D * indices.length];
        for (int c = 0; c < indices.length; c++) {
            flat[indices[c] * indices.length + c] = 1;
        }
        return of(flat, indices.length);
    }

    private static AlignOptions options(Constraint constraint, TrainingOptions training) {
        return new AlignOptions(Method.SAILS, new ObjectiveOptions(Objective.SFT, 0.1, Reference.CACHED),
            new AdapterOptions(EnumSet.allOf(Projection.class), 3, 3, AdapterVariant.plain()),
            new ConstraintOptions(constraint, 0.1, Fill.AUTO), training, RunOptions.of(8));
    }

    private static TrainingOptions training(int steps, double maxGradNorm) {
        return TinyModel.training(200, steps, 0.01).withBatching(b -> b.microBatchTokens = 60)
            .withAdamw(adamw -> adamw.withWeightDecay(0.01))
            .withOptimizer(o -> o.maxGradNorm = maxGradNorm).with(t -> t.schedule = ScheduleOptions.constant());
    }

    private interface Body {
        void accept(Trainable trainable, Map<ModuleKey, LowRankAdapter> adapter, SubspaceHook hook, Tensor basis);
    }

    private void with(SafetySubspace space, Constraint constraint, TrainingOptions training, Body body) {
        AlignOptions align = options(constraint, training);
        try (OpenAdaptation open = Adaptation.of(align, space).open(model, Path.of("tiny"));
             SubspaceBases bases = new SubspaceBases(space, engine.device())) {
            Map<ModuleKey, LowRankAdapter> adapter = open.trainable().adapters().adapters().getFirst();
            body.accept(open.trainable(), adapter, (SubspaceHook) open.hook(), bases.of(adapter.keySet().iterator().next()));
        }
    }

    private Map<String, float[]> train(SafetySubspace space, Constraint constraint, TrainingOptions training, double[] distance) {
        Map<String, float[]> factors = new TreeMap<>();
        with(space, constraint, training, (trainable, adapter, hook, basis) -> {
            try (TrainingLoop loop = new TrainingLoop(model, trainable, loss, training, hook, System::nanoTime)) {
                loop.run(step -> {});
            }
            distance[0] = hook.distance();
            adapter.forEach((module, f) -> {
                factors.put(module.path() + ".A", f.loraA().toFloatArray());
                factors.put(module.path() + ".B", f.loraB().toFloatArray());
            });
        });
        return factors;
    }

    @Test
    void itStaysInTheSubspaceOverTwoHundredSteps() {
        double[] distance = new double[1];
        train(random(5), Constraint.CORE, training(200, 1), distance);
        assertThat(distance[0]).isLessThan(1e-6);
    }

    @Test
    void overUnitVectorsItIsTheTrainingWithProjectedUpdates() {
        // Adam acts on single entries: with a basis of unit vectors those of C are those of F inside, and what is outside is 0 in both.
        // Without clipping, whose norm counts the gradient outside in one of them.
        double[] ignored = new double[1];
        Map<String, float[]> core = train(axes(2, 7, 11, 20), Constraint.CORE, training(40, 0), ignored);
        Map<String, float[]> update = train(axes(2, 7, 11, 20), Constraint.UPDATE, training(40, 0), ignored);
        core.forEach((name, values) -> {
            double difference = 0;
            double size = 0;
            float[] other = update.get(name);
            for (int i = 0; i < values.length; i++) {
                difference += Math.pow((double) values[i] - other[i], 2);
                size += (double) other[i] * other[i];
            }
            // 40 steps, each of which may round otherwise; Adam divides by the gradient's own size.
            assertThat(Math.sqrt(difference)).as(name).isLessThanOrEqualTo(1e-4 * Math.sqrt(size) + 1e-12);
        });
    }

    @Test
    void itsGradientIsTheProjectedOneInCoordinates() {
        List<float[]> expected = new ArrayList<>();
        with(random(5), Constraint.NONE, training(1, 1).withBatching(b -> b.packing = false), (trainable, adapter, hook, basis) -> {
            if (adapter.values().iterator().next().r() != 3) {
                throw new AssertionError("the subspace has room for the whole rank");
            }
            backward(trainable);
            float[] u = basis.toFloatArray();
            LoraTrainable plain = (LoraTrainable) trainable;
            adapter.forEach((module, factors) -> expected.add(coordinates(module, factors, plain, u, 5)));
        });
        List<float[]> found = new ArrayList<>();
        with(random(5), Constraint.CORE, training(1, 1), (trainable, adapter, hook, basis) -> {
            backward(trainable);
            trainable.collectGradients();
            trainable.parameters().stream().filter(p -> p.name().endsWith(".core")).forEach(p -> found.add(p.gradient().toFloatArray()));
        });
        assertThat(found).hasSameSizeAs(expected).isNotEmpty();
        for (int i = 0; i < found.size(); i++) {
            for (int j = 0; j < found.get(i).length; j++) {
                assertThat((double) found.get(i)[j]).isCloseTo(expected.get(i)[j], Assertions.within(1e-5));
            }
        }
    }

    private void backward(Trainable trainable) {
        try (ModelSession session = ModelSession.open(model); PassContext context = PassContext.of(session)) {
            trainable.zeroGradients();
            loss.sumAndGradient(context, trainable, new int[] {0, 1, 2}, 10);
        }
    }

    /** U^T dB, or dA U, in double. */
    private static float[] coordinates(ModuleKey module, LowRankAdapter factors, LoraTrainable trainable, float[] u, int rS) {
        int r = (int) factors.r();
        boolean right = module.projection().readsResidual();
        LowRankGradient gradients = trainable.targets().lora().get(module);
        HostTensor gradient = (right ? gradients.dLoraA() : gradients.dLoraB()).toHost();
        float[] g = gradient.toFloatArray();
        float[] out = new float[r * rS];
        for (int c = 0; c < rS; c++) {
            for (int j = 0; j < r; j++) {
                double sum = 0;
                for (int i = 0; i < D; i++) {
                    sum += u[i * rS + c] * (double) (right ? g[j * D + i] : g[i * r + j]);
                }
                out[right ? j * rS + c : c * r + j] = (float) sum;
            }
        }
        return out;
    }
}
