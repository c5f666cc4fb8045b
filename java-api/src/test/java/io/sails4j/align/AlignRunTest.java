package io.sails4j.align;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.align.Constraint;
import io.sails4j.align.Fill;
import io.sails4j.align.Method;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.config.Projection;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenPair;
import io.sails4j.io.InputException;
import io.sails4j.io.JsonFiles;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelOptions;
import io.sails4j.objective.Loss;
import io.sails4j.objective.Objective;
import io.sails4j.objective.ObjectiveOptions;
import io.sails4j.objective.PreferenceLoss;
import io.sails4j.objective.Reference;
import io.sails4j.objective.SftLoss;
import io.sails4j.objective.StepReadings;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.ops.PreferenceKind;
import io.sails4j.run.RunOptions;
import io.sails4j.run.RunOrigin;
import io.sails4j.subspace.PcaSubspace;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.tensor.DType;
import io.sails4j.testing.TinyModel;
import io.sails4j.train.Master;
import io.sails4j.train.OptimizerState;
import io.sails4j.train.ScheduleOptions;
import io.sails4j.train.StepMetrics;
import io.sails4j.train.TrainingException;
import io.sails4j.train.TrainingLoop;
import io.sails4j.train.TrainingOptions;
import io.sails4j.trainable.LoraTrainable;
import io.sails4j.trainable.Trainable;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class AlignRunTest {
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

    private static SafetySubspace subspace(int dimension, int... layers) {
        Random random = new Random(5);
        TreeMap<Integer, SafetySubspace.Layer> map = new TreeMap<>();
        int d = (int) TinyModel.CONFIG.dModel();
        for (int layer : layers) {
            float[][] directions = new float[dimension][d];
            for (float[] row : directions) {
                for (int i = 0; i < d; i++) {
                    row[i] = (float) random.nextGaussian();
                }
            }
            double[][] basis = PcaSubspace.of(directions, 1, false).basis();
            float[] flat = new float[d * dimension];
            for (int i = 0; i < d; i++) {
                for (int c = 0; c < dimension; c++) {
                    flat[i * dimension + c] = (float) basis[i][c];
                }
            }
            map.put(layer, new SafetySubspace.Layer(d, dimension, flat, new int[] {3, 1}, new float[] {2, 1}));
        }
        return new SafetySubspace(map, Map.of());
    }

    private static AlignOptions request(Method method, Objective objective, Constraint constraint, int epochs, double lr) {
        return new AlignOptions(method, new ObjectiveOptions(objective, 0.1, Reference.CACHED),
            new AdapterOptions(ALL, 4, 4, AdapterVariant.plain()), new ConstraintOptions(constraint, 0.1, Fill.AUTO),
            TinyModel.training(epochs, 0, lr),
            RunOptions.of(8));
    }

    @Test
    void everyMethodAndConstraintLowersTheLossAndWritesWholeOutputs() throws IOException {
        int runs = 0;
        for (Objective objective : Objective.values()) {
            for (Constraint constraint : Constraint.values()) {
                SafetySubspace subspace = subspace(3, 0, 1);
                Path out = temporary.resolve("out" + runs++);
                AlignResult result = new AlignRun(model, Path.of("tiny"), request(Method.SAILS, objective, constraint, 10, 0.01), subspace,
                    RunOrigin.unknown())
                    .run(TinyModel.pairs(8, 4), out, Progress.none());
                assertThat(result.lossAfter()).as(objective + " " + constraint).isLessThan(0.95 * result.lossBefore());
                assertThat(result.shareInside()).isBetween(0.0, 1.0 + 1e-5);
                assertThat(Files.readAllLines(out.resolve("metrics.jsonl")).stream().filter(line -> line.contains("grad_norm")))
                    .hasSize((int) result.steps());
                assertThat(JsonFiles.read(out.resolve("sails_run.json")).get("loss_after").asDouble()).isEqualTo(result.lossAfter());
                try (Stream<Path> files = Files.list(out)) {
                    assertThat(files.map(f -> f.getFileName().toString())).containsExactlyInAnyOrder("adapter_config.json",
                        "adapter_model.safetensors", "metrics.jsonl", "metrics.svg", "sails_run.json", "subspace.safetensors",
                        "tensorboard", "trainer_state.json");
                }
                requireTrainerState(out, result);
                assertThat(temporary.resolve(out.getFileName() + ".partial")).doesNotExist();
                assertThat(SafetySubspace.read(out.resolve("subspace.safetensors")).layers()).hasSize(2);
                try (LoraAdapter read = LoraAdapter.load(out, model.config(), engine)) {
                    // A core is smaller than the factor that it makes.
                    assertThat(read.trainableCount()).isGreaterThanOrEqualTo(result.trainable());
                    assertThat(read.trainableCount() == result.trainable()).isEqualTo(constraint != Constraint.CORE);
                }
            }
        }
        assertThat(runs).isEqualTo(Objective.values().length * Constraint.values().length);
    }

    /** The fields of transformers' TrainerState (5.18), all of them and no other: its constructor takes the file as keywords. */
    private static void requireTrainerState(Path out, AlignResult result) {
        JsonNode state = JsonFiles.read(out.resolve("trainer_state.json"));
        assertThat(state.fieldNames()).toIterable().containsExactlyInAnyOrder("epoch", "global_step", "max_steps", "logging_steps",
            "eval_steps", "save_steps",
            "train_batch_size", "num_train_epochs", "num_input_tokens_seen", "total_flos", "log_history", "best_metric", "best_global_step",
            "best_model_checkpoint", "is_local_process_zero", "is_world_process_zero", "is_hyper_param_search", "trial_name",
            "trial_params",
            "stateful_callbacks");
        assertThat(state.get("total_flos").asDouble()).isPositive();
        assertThat(state.get("log_history").get(state.get("log_history").size() - 1).get("eval_loss").asDouble())
            .isEqualTo(result.lossAfter());
    }

    @Test
    void theBaselineTrainsAndTheSameSeedGivesTheSameBytes() throws IOException {
        AlignOptions request = request(Method.LORA, Objective.SFT, Constraint.NONE, 10, 0.01);
        for (String name : List.of("a", "b")) {
            AlignResult result = new AlignRun(model, Path.of("tiny"), request, null, RunOrigin.unknown()).run(TinyModel.pairs(8, 4),
                temporary.resolve(name), Progress.none());
            assertThat(result.lossAfter()).isLessThan(0.95 * result.lossBefore());
            assertThat(result.shareInside()).isNaN();
            // A step of this model is nothing but small calls: far below the peak, and above zero.
            assertThat(result.utilisation()).isBetween(0.0, 0.5).isNotZero();
            assertThat(result.peak().source()).contains("measured").contains("F32");
            JsonNode run = JsonFiles.read(temporary.resolve(name).resolve("sails_run.json"));
            assertThat(run.get("peak").asText()).isEqualTo(result.peak().source());
            Files.readAllLines(temporary.resolve(name).resolve("metrics.jsonl")).stream().filter(line -> line.contains("grad_norm"))
                .forEach(line -> {
                    JsonNode step = JsonFiles.parse(line, "metrics");
                    assertThat(step.get("mfu").asDouble()).isEqualTo(step.get("flops_per_s").asDouble() / result.peak().flopsPerSecond());
                    assertThat(step.get("memory_bytes").asLong()).isPositive();
                });
        }
        assertThat(Files.mismatch(temporary.resolve("a/adapter_model.safetensors"), temporary.resolve("b/adapter_model.safetensors")))
            .isEqualTo(-1);
    }

    @Test
    void theWholeModelTrainsAndIsWrittenAsACheckpointWithItsTokenizer() throws IOException {
        Files.writeString(temporary.resolve("tokenizer.json"), "{}");
        AlignOptions request = request(Method.FULL, Objective.SFT, Constraint.NONE, 5, 0.003);
        Path out = temporary.resolve("full");
        AlignResult result = new AlignRun(model, temporary, request, null, RunOrigin.unknown()).run(TinyModel.pairs(8, 4), out,
            Progress.none());
        assertThat(result.lossAfter()).isLessThan(result.lossBefore());
        assertThat(out.resolve("tokenizer.json")).hasContent("{}");
        assertThat(result.trainable()).isEqualTo(model.config().parameterCount());
        try (CausalModel read = CausalModel.load(out, engine, ModelOptions.of(DType.F32))) {
            assertThat(read.weights().embedTokens().toFloatArray()).isEqualTo(model.weights().embedTokens().toFloatArray());
        }
    }

    @Test
    void updateStaysInTheSubspaceOverTwoHundredStepsAndGradientDoesNot() {
        assertThat(shareOutside(Constraint.UPDATE)).isLessThan(1e-6);
        assertThat(shareOutside(Constraint.GRADIENT)).isGreaterThan(1e-3);
        assertThat(shareOutside(Constraint.NONE)).isGreaterThan(1e-3);
    }

    private double shareOutside(Constraint constraint) {
        SafetySubspace subspace = subspace(3, 0);
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
        SafetySubspace subspace = subspace(6, 1);
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
        SafetySubspace subspace = subspace(2, 4, 8);
        assertThat(subspace.nearest(0)).isSameAs(subspace.layers().get(4));
        assertThat(subspace.nearest(6)).isSameAs(subspace.layers().get(4));
        assertThat(subspace.nearest(7)).isSameAs(subspace.layers().get(8));
        assertThat(subspace.nearest(20)).isSameAs(subspace.layers().get(8));
    }

    @Test
    void tooFewComponentsLowerTheRankWhichPeftReadsAsAPattern() {
        SafetySubspace subspace = subspace(2, 0);
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
        SafetySubspace subspace = subspace(2, 0);
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
        SafetySubspace subspace = subspace(2, 0);
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
        SafetySubspace subspace = subspace(4, 0);
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
    void requestsThatContradictThemselvesAreRefused() {
        for (Constraint constraint : List.of(Constraint.GRADIENT, Constraint.UPDATE)) {
            assertThatThrownBy(() -> filled(constraint, Fill.COMPLEMENT, 4, 4))
                .isInstanceOf(InputException.class).hasMessageContaining("complement");
        }
        assertThatThrownBy(() -> request(Method.LORA, Objective.SFT, Constraint.UPDATE, 1, 1e-3)).isInstanceOf(InputException.class);
        assertThatThrownBy(() -> new AlignOptions(Method.LORA, new ObjectiveOptions(Objective.DPO, 0, Reference.CACHED),
            new AdapterOptions(ALL, 4, 4, AdapterVariant.plain()), new ConstraintOptions(Constraint.NONE, 0, Fill.AUTO),
            TinyModel.training(1, 0, 1e-3),
            RunOptions.of(8)))
            .isInstanceOf(InputException.class).hasMessageContaining("beta");
        AlignOptions sails = request(Method.SAILS, Objective.SFT, Constraint.UPDATE, 1, 1e-3);
        assertThatThrownBy(() -> new AlignRun(model, temporary, sails, null, RunOrigin.unknown())).isInstanceOf(InputException.class)
            .hasMessageContaining("subspace");
    }

    @Test
    void aLiveReferenceNeedsAnAdapterAndAnObjectiveThatHasOne() {
        assertThatThrownBy(() -> request(Method.FULL, Objective.DPO, Constraint.NONE, 1, 1e-3)
            .with(o -> o.objective = o.objective.withReference(Reference.LIVE))).isInstanceOf(InputException.class)
            .hasMessageContaining("reference=cached");
        assertThatThrownBy(() -> request(Method.LORA, Objective.ORPO, Constraint.NONE, 1, 1e-3)
            .with(o -> o.objective = o.objective.withReference(Reference.LIVE))).isInstanceOf(InputException.class)
            .hasMessageContaining("no reference");
    }

    @Test
    void aLossThatIsNotFiniteStopsTheRunAndLeavesNothing() throws IOException {
        AlignOptions request = request(Method.LORA, Objective.SFT, Constraint.NONE, 20, 1e30);
        assertThatThrownBy(() -> new AlignRun(model, temporary, request, null, RunOrigin.unknown()).run(TinyModel.pairs(8, 4),
            temporary.resolve("never"), Progress.none()))
            .isInstanceOf(TrainingException.class).hasMessageContaining("step");
        try (Stream<Path> left = Files.list(temporary)) {
            assertThat(left.map(f -> f.getFileName().toString())).containsOnly("never.partial");
        }
    }

    @Test
    void anOutputThatExistsIsRefusedBeforeTraining() throws IOException {
        Files.writeString(temporary.resolve("file"), "kept");
        AlignOptions request = request(Method.LORA, Objective.SFT, Constraint.NONE, 1, 1e-3);
        assertThatThrownBy(
            () -> new AlignRun(model, temporary, request, null, RunOrigin.unknown()).run(TinyModel.pairs(2, 4), temporary, Progress.none()))
            .isInstanceOf(InputException.class).hasMessageContaining("exists");
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
            Progress.none());
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
