package io.sails4j.train;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.data.TokenSequence;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.LoraConfig;
import io.sails4j.model.CausalModel;
import io.sails4j.model.MemoryPlan;
import io.sails4j.model.ModelConfig;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.Projection;
import io.sails4j.ops.AdamwOptions;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.List;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.api.Test;

/** The plan against what a run takes, and recomputation against keeping. */
class MemoryPlanTest {
    /** Weights of about 130 MB and activations of about as much: what is fixed (chunks, small vectors) is little beside them. */
    private static final ModelConfig CONFIG = ModelConfig.gemma2(4000, 512, 6, 8, 4, 64, 2048, 32, 64, 50, 30, 1e-6, 10_000, 256,
        ModelConfig.alternating(6), DType.F32, 2, List.of(1), 0);

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

    private static TrainingOptions options(int layers) {
        return new TrainingOptions(1, 2, 1024, 1024, new AdamwOptions(1e-3, 0.9, 0.999, 1e-8, 0), 1, LrSchedule.CONSTANT, 0, 1)
            .withRecompute(new Recompute(layers, 0));
    }

    @ParameterizedTest
    @CsvSource({"F32, false, 0", "F32, false, 6", "BF16, false, 2", "F32, true, 0", "BF16, true, 3"})
    void theMeasuredPeakIsThatOfThePlan(DType dtype, boolean full, int recomputeLayers) {
        try (Engine engine = Engine.open(new EngineOptions("cpu", 0, ""));
             CausalModel model = new CausalModel(engine, ModelWeights.random(CONFIG, engine, dtype, 3), false);
             LoraAdapter adapter = LoraAdapter.create(LoraConfig.uniform(CONFIG, EnumSet.allOf(Projection.class), 8, 8, "plan"), CONFIG, engine.device());
             Trainable trainable = full ? new FullTrainable(model) : new LoraTrainable(adapter, engine.device());
             TrainingLoop loop = new TrainingLoop(model, trainable, new SftLoss(sequences(8, 256)), options(recomputeLayers), StepHook.none(),
                 System::nanoTime)) {
            loop.run(step -> { });
            double measured = engine.device().peakBytes();
            double planned = loop.memory().totalBytes();
            System.out.printf("memory plan, %s, %s, %d layers again: %.1f MB planned, %.1f MB measured%n", dtype, full ? "full" : "lora", recomputeLayers,
                planned * 1e-6, measured * 1e-6);
            assertThat(measured).isCloseTo(planned, within(0.1 * planned));
        }
    }

    @Test
    void whatIsComputedAgainHasTheSameBits() {
        float[] kept = gradients(0);
        for (int layers : new int[] {1, 3, 6}) {
            assertThat(gradients(layers)).as(layers + " layers").containsExactly(kept);
        }
    }

    private static float[] gradients(int recomputeLayers) {
        try (Engine engine = Engine.open(new EngineOptions("cpu", 1, ""));
             CausalModel model = TinyModel.open(engine); FullTrainable trainable = new FullTrainable(model);
             LossContext context = LossContext.of(model, false, Math.min(recomputeLayers, model.config().nLayers()))) {
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
        MemoryPlan.Trained lora = new MemoryPlan.Trained(true, java.util.Map.of(), false);
        long all = MemoryPlan.of(CONFIG, DType.F32, lora, 4096, 0, 0).totalBytes();
        long least = MemoryPlan.of(CONFIG, DType.F32, lora, 4096, 6, 0).totalBytes();
        assertThat(MemoryPlan.layersToRecompute(CONFIG, DType.F32, lora, 4096, 0, all)).isZero();
        assertThat(MemoryPlan.layersToRecompute(CONFIG, DType.F32, lora, 4096, 0, least)).isEqualTo(6);
        int between = MemoryPlan.layersToRecompute(CONFIG, DType.F32, lora, 4096, 0, (all + least) / 2);
        assertThat(between).isBetween(1, 5);
        assertThat(MemoryPlan.of(CONFIG, DType.F32, lora, 4096, between, 0).totalBytes()).isLessThanOrEqualTo((all + least) / 2);
    }

    @Test
    void flopsOfTheLargeModelsAreSixTimesTheirParametersAndAttention() {
        ModelConfig config = ModelConfig.gemma2_2b();
        double perToken = TrainingFlops.step(config, 1, true, 0);
        double parameters = Arrays.stream(Projection.values()).mapToDouble(p -> (double) p.dIn(config) * p.dOut(config)).sum() * config.nLayers()
            + (double) config.dModel() * config.vocabSize();
        assertThat(perToken).isCloseTo(6 * parameters, within(1e-3 * perToken));
        assertThat(TrainingFlops.attention(config, 8192)).isLessThan(4.0 * config.nLayers() * 8193 / 2 * config.qWidth());
    }
}
