package io.sails4j.adaptation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.InputException;
import io.sails4j.align.AdapterOptions;
import io.sails4j.align.AdapterVariant;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.Constraint;
import io.sails4j.align.ConstraintOptions;
import io.sails4j.align.Fill;
import io.sails4j.align.Method;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.config.Projection;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenPair;
import io.sails4j.files.JsonFiles;
import io.sails4j.loop.StepMetrics;
import io.sails4j.loop.TrainingLoop;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.CausalModel;
import io.sails4j.objective.Loss;
import io.sails4j.objective.PreferenceLoss;
import io.sails4j.objective.SftLoss;
import io.sails4j.objective.StepReadings;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.ops.PreferenceKind;
import io.sails4j.run.AlignResult;
import io.sails4j.run.AlignRun;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.testing.TinyModel;
import io.sails4j.train.Master;
import io.sails4j.train.Objective;
import io.sails4j.train.ObjectiveOptions;
import io.sails4j.train.OptimizerState;
import io.sails4j.train.Reference;
import io.sails4j.train.RunOptions;
import io.sails4j.train.RunOrigin;
import io.sails4j.train.ScheduleOptions;
import io.sails4j.train.TrainingOptions;
import io.sails4j.trainable.Trainable;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Adapters that start in a safety subspace or by pattern, and what holds them there. */
class SubspaceAdapterTest {
    private static final Set<Projection> ALL = EnumSet.allOf(Projection.class);
    @TempDir
    private Path temporary;
    private final Engine engine = Engine.open(EngineOptions.defaults());
    private final CausalModel model = TinyModel.open(engine);

    @AfterEach
    void close() {
        model.close();
        engine.close();
    }

    @Test
    void updateStaysInTheSubspaceOverTwoHundredStepsAndGradientDoesNot() {
        assertThat(shareOutside(Constraint.UPDATE)).isLessThan(1e-6);
        assertThat(shareOutside(Constraint.GRADIENT)).isGreaterThan(1e-3);
        assertThat(shareOutside(Constraint.NONE)).isGreaterThan(1e-3);
    }

    private double shareOutside(Constraint constraint) {
        SafetySubspace subspace = TinyModel.subspace(5, 3, 0);
        AlignOptions align = filled(constraint, Fill.TRUNCATE, 4, 4);
        try (OpenAdaptation open = Adaptation.of(align, subspace).open(model, Path.of("tiny"))) {
            SubspaceHook hook = (SubspaceHook) open.hook();
            SftLoss loss = new SftLoss(TinyModel.pairs(8, 4).stream().map(p -> p.aligned()).toList());
            TrainingOptions options = TinyModel.training(200, 200, 0.01).withBatching(b -> b.microBatchTokens = 60)
                .withAdamw(adamw -> adamw.withWeightDecay(0.01)).with(t -> t.schedule = ScheduleOptions.constant());
            List<StepMetrics> steps = new ArrayList<>();
            try (TrainingLoop loop = new TrainingLoop(model, open.trainable(), loss, options, hook, System::nanoTime)) {
                loop.run(steps::add);
            }
            assertThat(steps).hasSize(200);
            if (constraint == Constraint.UPDATE) {
                assertThat(steps).allSatisfy(s -> assertThat(s.shareInside()).isCloseTo(1, within(1e-5)));
            }
            return hook.distance();
        }
    }

    @Test
    void eachSideStartsInTheSubspaceOfTheNearestLayerWithoutChangingTheModel() {
        SafetySubspace subspace = TinyModel.subspace(5, 6, 1);
        float[] all = subspace.nearest(0).basis();
        float[] columns = new float[24 * 4];
        float[] rows = new float[4 * 24];
        for (int i = 0; i < 24; i++) {
            for (int c = 0; c < 4; c++) {
                columns[i * 4 + c] = all[i * 6 + c];
                rows[c * 24 + i] = all[i * 6 + c];
            }
        }
        try (LoraAdapter adapter = AdapterInitialiser.inSubspace(subspace, model.config(), filled(Constraint.UPDATE, Fill.TRUNCATE, 4, 4),
            "tiny",
            engine.device())) {
            assertThat(adapter.modules()).hasSize(14);
            adapter.modules().forEach((module, factors) -> {
                boolean writes = module.projection().writesResidual();
                assertThat((writes ? factors.loraB() : factors.loraA()).toFloatArray()).isEqualTo(writes ? columns : rows);
                assertThat((writes ? factors.loraA() : factors.loraB()).toFloatArray()).containsOnly(0f);
            });
        }
    }

    @Test
    void aLayerBetweenTwoTakesTheNearerSubspaceAndTheLowerOnATie() {
        SafetySubspace subspace = TinyModel.subspace(5, 2, 4, 8);
        assertThat(subspace.nearest(0)).isSameAs(subspace.layers().get(4));
        assertThat(subspace.nearest(6)).isSameAs(subspace.layers().get(4));
        assertThat(subspace.nearest(7)).isSameAs(subspace.layers().get(8));
        assertThat(subspace.nearest(20)).isSameAs(subspace.layers().get(8));
    }

    @Test
    void tooFewComponentsLowerTheRankWhichPeftReadsAsAPattern() {
        SafetySubspace subspace = TinyModel.subspace(5, 2, 0);
        ModuleKey module = new ModuleKey(1, Projection.O_PROJ);
        Path saved = temporary.resolve("truncated");
        try (LoraAdapter adapter = AdapterInitialiser.inSubspace(subspace, model.config(), filled(Constraint.UPDATE, Fill.TRUNCATE, 4, 8),
            "tiny",
            engine.device())) {
            adapter.save(saved);
        }
        assertThat(JsonFiles.read(saved.resolve("adapter_config.json")).get("rank_pattern").get(module.path()).asInt()).isEqualTo(2);
        try (LoraAdapter read = LoraAdapter.load(saved, model.config(), engine)) {
            assertThat(read.config().rank(module)).isEqualTo(2);
            assertThat(read.config().scale(module)).as("alpha / r stays").isEqualTo(2f);
        }
    }

    @Test
    void tooFewComponentsAreFilledUpWithAnOrthonormalComplement() {
        SafetySubspace subspace = TinyModel.subspace(5, 2, 0);
        try (LoraAdapter adapter = AdapterInitialiser.inSubspace(subspace, model.config(), filled(Constraint.NONE, Fill.COMPLEMENT, 4, 8),
            "tiny",
            engine.device())) {
            float[] u = Objects.requireNonNull(adapter.modules().get(new ModuleKey(1, Projection.O_PROJ))).loraB().toFloatArray();
            for (int a = 0; a < 4; a++) {
                for (int b = 0; b < 4; b++) {
                    double dot = 0;
                    for (int i = 0; i < 24; i++) {
                        dot += (double) u[i * 4 + a] * u[i * 4 + b];
                    }
                    // Two f32 vectors of length 1.
                    assertThat(dot).isCloseTo(a == b ? 1.0 : 0.0, within(4.0 * Math.ulp(1f)));
                }
            }
        }
    }

    @Test
    void thePenaltyHasTheGradientOfItsValue() {
        SafetySubspace subspace = TinyModel.subspace(5, 2, 0);
        AlignOptions align = filled(Constraint.PENALTY, Fill.COMPLEMENT, 4, 4);
        try (OpenAdaptation open = Adaptation.of(align, subspace).open(model, Path.of("tiny"))) {
            SubspaceHook hook = (SubspaceHook) open.hook();
            Trainable trainable = open.trainable();
            double value;
            try (StepReadings readings = new StepReadings(engine.device())) {
                hook.allot(readings);
                hook.beforeUpdate();
                readings.read();
                value = hook.penalty();
            }
            // Two of the four directions of each of the 14 modules lie outside, each of length 1.
            assertThat(value).isCloseTo(0.1 * 2 * 14, within(value * 28 * Math.ulp(1f)));
            // The value is quadratic in what lies outside: <gradient, F> is twice the value.
            double product = 0;
            for (var p : trainable.parameters()) {
                float[] g = p.gradient().toFloatArray();
                float[] f = p.value().toFloatArray();
                for (int i = 0; i < g.length; i++) {
                    product += (double) g[i] * f[i];
                }
            }
            assertThat(product).isCloseTo(2 * value, within(value * 28 * Math.ulp(1f)));
        }
    }

    /** What keeps a fast device idle: waits and allocations. Steps of several micro-batches, after the first two. */
    @Test
    void aStepWaitsOnceAndAllocatesNothing() {
        SafetySubspace subspace = TinyModel.subspace(5, 4, 0);
        List<TokenPair> pairs = TinyModel.pairs(24, 5);
        Map<Constraint, Loss> losses = Map.of(Constraint.NONE, new SftLoss(pairs.stream().map(TokenPair::aligned).toList()),
            Constraint.UPDATE, new PreferenceLoss(pairs, 0.1), Constraint.PENALTY, new PreferenceLoss(pairs, 0.1, PreferenceKind.ORPO),
            Constraint.GRADIENT,
            new PreferenceLoss(pairs, 0.1, PreferenceKind.IPO, true));
        losses.forEach((constraint, loss) -> {
            AlignOptions align = new AlignOptions(Method.SAILS, new ObjectiveOptions(Objective.SFT, 0.1, Reference.CACHED),
                new AdapterOptions(ALL, 4, 4, AdapterVariant.plain()), new ConstraintOptions(constraint, 0.1, Fill.TRUNCATE),
                TinyModel.training(3, 0, 1e-3).withBatching(b -> b.batchTokens = 120).withOptimizer(o -> {
                    o.emaDecay = 0.9;
                    o.state = new OptimizerState(true, Master.F32);
                }).with(t -> t.schedule = ScheduleOptions.constant()), RunOptions.of(8));
            try (OpenAdaptation open = Adaptation.of(align, subspace).open(model, Path.of("tiny"));
                 TrainingLoop loop = new TrainingLoop(model, open.trainable(), loss, align.training(), open.hook(), System::nanoTime)) {
                assertThat(loop.plan().steps()).hasSizeGreaterThan(5).anySatisfy(step -> assertThat(step).hasSizeGreaterThan(1));
                loop.prepare();
                loop.step(() -> false);
                loop.step(() -> false);
                long waits = engine.device().waits();
                long allocations = engine.device().allocations();
                for (int i = 1; !loop.finished(); i++) {
                    loop.step(() -> false);
                    assertThat(engine.device().waits() - waits).as(constraint + ", step " + i).isEqualTo(i);
                }
                assertThat(engine.device().allocations()).as(constraint.toString()).isEqualTo(allocations);
            }
        });
    }

    private static AlignOptions filled(Constraint constraint, Fill fill, int r, double alpha) {
        return new AlignOptions(Method.SAILS, new ObjectiveOptions(Objective.SFT, 0.1, Reference.CACHED),
            new AdapterOptions(ALL, r, alpha, AdapterVariant.plain()), new ConstraintOptions(constraint, 0.1, fill),
            TinyModel.training(1, 0, 1e-3),
            RunOptions.of(8));
    }

    @Test
    void trainableCountsOfTheLargeModelsAreThoseOfThePaper() {
        assertThat(trained(ModelConfig.gemma2_9b())).isEqualTo(17_891_328);
        assertThat(trained(ModelConfig.gemma2_2b())).isEqualTo(6_389_760);
    }

    private static long trained(ModelConfig config) {
        return Adaptation.of(AlignOptions.defaults().with(o -> o.method = Method.LORA), null).shape(config).parameterCount(config);
    }

    @Test
    void adaptersByPatternWithTheirOwnScaleAndStart() {
        Map<String, Integer> ranks = new LinkedHashMap<>(Map.of("layers.1.self_attn.q_proj", 6));
        ranks.put("down_proj", 2);
        AdapterVariant variant = new AdapterVariant(true, ranks, Map.of("down_proj", 8.0), AdapterVariant.Init.ORTHOGONAL, false);
        AlignOptions request = new AlignOptions(Method.LORA, new ObjectiveOptions(Objective.SFT, 0.1, Reference.CACHED),
            new AdapterOptions(ALL, 4, 4, variant), new ConstraintOptions(Constraint.NONE, 0, Fill.AUTO), TinyModel.training(10, 0, 0.01),
            RunOptions.of(8));
        try (LoraAdapter adapter = AdapterInitialiser.plain(model.config(), request.adapter(), 1, "tiny", engine.device())) {
            assertThat(adapter.config().rank(new ModuleKey(1, Projection.Q_PROJ))).isEqualTo(6);
            assertThat(adapter.config().rank(new ModuleKey(0, Projection.Q_PROJ))).isEqualTo(4);
            assertThat(adapter.config().scale(new ModuleKey(0, Projection.DOWN_PROJ))).isEqualTo((float) (8 / Math.sqrt(2)));
            adapter.modules().forEach((module, factors) -> {
                float[] a = factors.loraA().toFloatArray();
                float[] b = factors.loraB().toFloatArray();
                int r = (int) factors.r();
                int dIn = a.length / r;
                double largest = 0;
                for (int i = 0; i < b.length / r; i++) {
                    for (int j = 0; j < dIn; j++) {
                        double sum = 0;
                        for (int k = 0; k < r; k++) {
                            sum += (double) b[i * r + k] * a[k * dIn + j];
                        }
                        largest = Math.max(largest, Math.abs(sum));
                    }
                }
                // Products of numbers of about 0.1 cancel to rounding.
                assertThat(largest).as(module.path()).isLessThan(r * 0.25 * Math.ulp(1f));
                assertThat(a).as("not zero").isNotEqualTo(new float[a.length]);
            });
        }
        AlignResult result = new AlignRun(model, Path.of("tiny"), request, null, RunOrigin.unknown()).run(TinyModel.pairs(8, 4),
            temporary.resolve("pattern"),
            Progress.none(), TinyModel.AT_ONCE);
        assertThat(result.lossAfter()).isLessThan(0.95 * result.lossBefore());
        try (LoraAdapter read = LoraAdapter.load(temporary.resolve("pattern"), model.config(), engine)) {
            assertThat(read.config().rank(new ModuleKey(1, Projection.Q_PROJ))).isEqualTo(6);
            assertThat(read.config().scale(new ModuleKey(1, Projection.DOWN_PROJ))).isEqualTo((float) (8 / Math.sqrt(2)));
        }
        AdapterVariant unknown = new AdapterVariant(false, Map.of("no_proj", 3), Map.of(), AdapterVariant.Init.KAIMING, false);
        assertThatThrownBy(
            () -> AdapterInitialiser.plain(model.config(), new AdapterOptions(ALL, 4, 4, unknown), 1, "tiny", engine.device()))
            .isInstanceOf(InputException.class).hasMessageContaining("no_proj");
    }
}
