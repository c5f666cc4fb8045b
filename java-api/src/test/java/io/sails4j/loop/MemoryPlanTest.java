package io.sails4j.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;
import static org.assertj.core.api.Assertions.withinPercentage;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.Projection;
import io.sails4j.data.TokenSequence;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.LoraConfig;
import io.sails4j.model.CausalModel;
import io.sails4j.model.MemoryPlan;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.RecomputePlan;
import io.sails4j.model.TrainedShape;
import io.sails4j.model.WeightFormat;
import io.sails4j.objective.PassContext;
import io.sails4j.objective.SftLoss;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import io.sails4j.train.Execution;
import io.sails4j.train.Master;
import io.sails4j.train.OptimizerState;
import io.sails4j.train.RecomputeOption;
import io.sails4j.train.ScheduleOptions;
import io.sails4j.train.TrainingOptions;
import io.sails4j.trainable.FullTrainable;
import io.sails4j.trainable.LoraTrainable;
import io.sails4j.trainable.Trainable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The plan against what a run takes, and recomputation against keeping. */
class MemoryPlanTest {
    /** Weights of about 130 MB and activations of about as much: what is fixed (chunks, small vectors) is little beside them. */
    private static final ModelConfig CONFIG = ModelConfig.gemma2().vocabSize(4000).dModel(512).layers(6).heads(8, 4).headDim(64).dFf(2048)
        .slidingWindow(32).maxPositionEmbeddings(256).checkpointDtype(DType.F32).build();

    private static List<TokenSequence> sequences(int count, int length) {
        List<TokenSequence> sequences = new ArrayList<>();
        for (int i = 0; i < count; i++) {
            int[] ids = new int[length];
            boolean[] counted = new boolean[length];
            for (int t = 0; t < length; t++) {
                ids[t] = (i * 31 + t * 17) % 4000;
                counted[t] = t > length / 2;
            }
            sequences.add(new TokenSequence(ids, counted));
        }
        return sequences;
    }

    private static RecomputeOption recompute(String name) {
        return switch (name) {
            case "off" -> RecomputeOption.off();
            case "selective" -> RecomputeOption.selective();
            case "full" -> RecomputeOption.full();
            default -> RecomputeOption.lowest(Integer.parseInt(name));
        };
    }

    private static TrainingOptions options(RecomputeOption recompute, boolean bf16Masters) {
        return TinyModel.training(1, 2, 1e-3).withBatching(b -> {
            b.batchTokens = 1024;
            b.microBatchTokens = 1024;
        }).withOptimizer(o -> o.state = new OptimizerState(false, bf16Masters ? Master.BF16 : Master.F32)).with(t -> {
            t.schedule = ScheduleOptions.constant();
            t.execution = new Execution(recompute, t.execution.graphs());
        });
    }

    @Test
    void theWorkspaceIsThatOfTheHungriestOperation() {
        ModelConfig wide = ModelConfig.gemma2().vocabSize(1000).dModel(3584).layers(2).heads(16, 8).headDim(256).dFf(14_336)
            .slidingWindow(256).queryPreAttnScalar(4096).build();
        try (Engine card = Engine.open(new EngineOptions("emulator", 0, "kernels=hopper"))) {
            long head = card.ops().head().headLossWorkspaceBytes(4096, 3584, 1000, DType.BF16);
            long attention = card.ops().attention().attentionBackwardWorkspaceBytes(1, 4096, 16, 8, 256, DType.BF16);
            assertThat(attention).as("tiles of p and ds, 4 bytes a pair and key/value head").isGreaterThan(8L * 4 * 4096 * 4096 / 2);
            assertThat(StepWorkspace.bytes(card.ops(), wide, DType.BF16, 4096, 4096)).isEqualTo(Math.max(head, attention))
                .isEqualTo(attention);
            assertThat(StepWorkspace.bytes(card.ops(), wide, DType.BF16, 4096, 16)).as("short sequences").isLessThan(attention);
        }
    }

    @ParameterizedTest
    @CsvSource({"F32, all, off", "F32, all, full", "F32, all, selective", "BF16, all, selective", "BF16, all, 2", "F32, attention, off",
        "F32, attention, selective",
        "F32, full, off", "F32, full, selective", "BF16, full, 3", "BF16, full bf16 masters, off"})
    void theMeasuredPeakIsThatOfThePlan(DType dtype, String trained, String recompute) {
        boolean full = trained.startsWith("full");
        EnumSet<Projection> targets = trained.equals("all") ? EnumSet.allOf(Projection.class)
            : EnumSet.of(Projection.Q_PROJ, Projection.V_PROJ, Projection.O_PROJ);
        try (Engine engine = Backends.open("cpu");
             CausalModel model = new CausalModel(engine, ModelWeights.random(CONFIG, engine, dtype, 3), false);
             LoraAdapter adapter = LoraAdapter.create(LoraConfig.uniform(CONFIG, targets, 8, 8, "plan"), CONFIG, engine.device());
             Trainable trainable = full ? new FullTrainable(model, trained.endsWith("masters"))
                 : new LoraTrainable(adapter, engine.device());
             TrainingLoop loop = new TrainingLoop(model, trainable, new SftLoss(sequences(4, 256)),
                 options(recompute(recompute), trained.endsWith("masters")), StepHook.none(),
                 System::nanoTime)) {
            loop.run(step -> {});
            double measured = engine.device().peakBytes();
            double planned = loop.memory().totalBytes();
            System.out.printf("memory plan, %s, %s trained, recompute %s: %.1f MB planned, %.1f MB measured%n", dtype, trained, recompute,
                planned * 1e-6, measured * 1e-6);
            assertThat(measured).isCloseTo(planned, within(0.1 * planned));
        }
    }

    @Test
    void whatIsComputedAgainHasTheSameBits() {
        for (String trained : List.of("full", "all", "attention")) {
            for (ModelConfig config : List.of(TinyModel.CONFIG, TinyModel.LLAMA)) {
                float[] kept = gradients(config, trained, RecomputePlan.none());
                for (RecomputePlan again : List.of(new RecomputePlan(1, 0), new RecomputePlan(2, 0), new RecomputePlan(0, 1),
                    new RecomputePlan(0, 2),
                    new RecomputePlan(1, 1))) {
                    assertThat(gradients(config, trained, again)).as(trained + " " + again).containsExactly(kept);
                }
            }
        }
    }

    private static Trainable trainable(String trained, CausalModel model, LoraAdapter adapter) {
        return trained.equals("full") ? new FullTrainable(model) : new LoraTrainable(adapter, model.engine().device());
    }

    private static float[] gradients(ModelConfig config, String trained, RecomputePlan again) {
        EnumSet<Projection> targets = trained.equals("all") ? EnumSet.allOf(Projection.class)
            : EnumSet.of(Projection.Q_PROJ, Projection.O_PROJ);
        try (Engine engine = Backends.open("cpu", 1);
             CausalModel model = new CausalModel(engine, ModelWeights.random(config, engine, DType.F32, 7), false);
             LoraAdapter adapter = TinyModel.randomAdapter(engine, 5, config, targets);
             Trainable trainable = trainable(trained, model, adapter);
             ModelSession session = ModelSession.open(model); PassContext context = PassContext.of(session, false, again)) {
            SftLoss loss = new SftLoss(TinyModel.sequences(4, 3));
            loss.sumAndGradient(context, trainable, new int[] {0, 1, 2, 3}, 1);
            List<float[]> all = trainable.parameters().stream().map(p -> p.gradient().toFloatArray()).toList();
            float[] flat = new float[all.stream().mapToInt(a -> a.length).sum()];
            int at = 0;
            for (float[] a : all) {
                System.arraycopy(a, 0, flat, at, a.length);
                at += a.length;
            }
            return flat;
        }
    }

    @Test
    void aBudgetDecidesHowManyLayersAreComputedAgain() {
        MemoryPlan.Trained lora = new MemoryPlan.Trained(TrainedShape.ofAll(), false, false, false);
        long all = total(CONFIG, DType.F32, lora, RecomputePlan.none());
        long least = total(CONFIG, DType.F32, lora, new RecomputePlan(6, 0));
        assertThat(MemoryPlan.cheapest(CONFIG, DType.F32, WeightFormat.CHECKPOINT, lora, 4096, 0, all)).isEqualTo(RecomputePlan.none());
        assertThat(MemoryPlan.cheapest(CONFIG, DType.F32, WeightFormat.CHECKPOINT, lora, 4096, 0, least))
            .isEqualTo(new RecomputePlan(6, 0));
        assertThat(MemoryPlan.cheapest(CONFIG, DType.F32, WeightFormat.CHECKPOINT, lora, 4096, 0, 1)).as("nothing fits")
            .isEqualTo(new RecomputePlan(6, 0));
        RecomputePlan between = MemoryPlan.cheapest(CONFIG, DType.F32, WeightFormat.CHECKPOINT, lora, 4096, 0, (all + least) / 2);
        assertThat(between.full()).isBetween(1, 5);
        assertThat(total(CONFIG, DType.F32, lora, between)).isLessThanOrEqualTo((all + least) / 2);
    }

    /** In a wide model products cost far more than what is moved: no product is done twice where the cheap parts are enough. */
    @Test
    void theCheapPartsGoFirst() {
        ModelConfig config = ModelConfig.gemma2_2b();
        MemoryPlan.Trained full = new MemoryPlan.Trained(TrainedShape.ofAll(), false, false, false);
        long all = total(config, DType.BF16, full, RecomputePlan.none());
        long selective = total(config, DType.BF16, full, new RecomputePlan(0, 26));
        long least = total(config, DType.BF16, full, new RecomputePlan(26, 0));
        assertThat(selective).isBetween(least, all);
        RecomputePlan some = MemoryPlan.cheapest(config, DType.BF16, WeightFormat.CHECKPOINT, full, 4096, 0, (all + selective) / 2);
        assertThat(some.full()).isZero();
        assertThat(some.selective()).isBetween(10, 20);
        RecomputePlan mix = MemoryPlan.cheapest(config, DType.BF16, WeightFormat.CHECKPOINT, full, 4096, 0, (selective + least) / 2);
        assertThat(mix.full()).isBetween(5, 20);
        assertThat(mix.selective()).isBetween(5, 21);
        assertThat(mix.describe(26)).contains("of 26 layers computed again").contains("of 26 layers selectively");
    }

    /** 2.6 billion weights of 4.5 and 8.5 bits, and the output matrix once more in BF16. */
    @Test
    void packedWeightsAndTheWholeOutputMatrixAreCounted() {
        ModelConfig config = ModelConfig.gemma2_2b();
        MemoryPlan.Trained lora = new MemoryPlan.Trained(TrainedShape.ofAll(), false, false, false);
        long embedding = config.vocabSize() * config.dModel();
        long projections = config.parameterCount() - embedding;
        MemoryPlan plan = MemoryPlan.of(config, DType.BF16, WeightFormat.INT4, lora, 4096, RecomputePlan.none(), 0);
        assertThat((double) plan.weightBytes()).isCloseTo(projections * 4.5 / 8 + embedding * (8.5 / 8 + 2), withinPercentage(0.5));
    }

    private static long total(ModelConfig config, DType dtype, MemoryPlan.Trained trained, RecomputePlan recompute) {
        return MemoryPlan.of(config, dtype, WeightFormat.CHECKPOINT, trained, 4096, recompute, 0).totalBytes();
    }

    @Test
    void flopsOfTheLargeModelsAreSixTimesTheirParametersAndAttention() {
        ModelConfig config = ModelConfig.gemma2_2b();
        double perToken = TrainingFlops.step(config, 1, true, 0);
        double parameters = Arrays.stream(Projection.values()).mapToDouble(p -> (double) p.dIn(config) * p.dOut(config)).sum()
            * config.nLayers()
            + (double) config.dModel() * config.vocabSize();
        assertThat(perToken).isCloseTo(6 * parameters, within(1e-3 * perToken));
        assertThat(TrainingFlops.attention(config, 8192)).isLessThan(4.0 * config.nLayers() * 8193 / 2 * config.qWidth());
    }
}
