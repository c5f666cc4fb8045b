package io.sails4j.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.AdamwOptions;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.testing.Backends;
import io.sails4j.train.Master;
import io.sails4j.train.OptimizerOptions;
import io.sails4j.train.OptimizerState;
import io.sails4j.trainable.FullTrainable;
import io.sails4j.trainable.RemainderPieces;
import io.sails4j.trainable.Trainable;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Parameters of a BF16 value and a BF16 remainder against F32 masters, under the same gradients. */
class Bf16MastersTest {
    private static final int STEPS = 10;
    /** One embedding longer than a piece, which is cut. */
    private static final ModelConfig CONFIG = ModelConfig.gemma2().vocabSize(RemainderPieces.PIECE / 64 + 100).dModel(64).layers(1)
        .heads(2, 1).headDim(8).dFf(40).slidingWindow(6).maxPositionEmbeddings(128).sliding(List.of(false)).build();

    private static CausalModel model(Engine engine, DType dtype) {
        return new CausalModel(engine, ModelWeights.random(CONFIG, engine, dtype, 7), false);
    }

    private static void setGradients(Trainable trainable) {
        Random random = new Random(2);
        trainable.parameters().forEach(p -> {
            float[] gradient = new float[(int) p.gradient().numel()];
            for (int i = 0; i < gradient.length; i++) {
                gradient[i] = random.nextFloat() - 0.5f;
            }
            p.gradient().upload(gradient);
        });
    }

    private static double[] value(Engine engine, Trainable.Parameter p) {
        try (Tensor f32 = engine.device().allocate(DType.F32, p.value().shape())) {
            engine.ops().elementwise().convert(f32, p.value());
            if (p.remainder() != null) {
                engine.ops().elementwise().axpby(f32, p.remainder(), 1, 1);
            }
            float[] values = f32.toFloatArray();
            double[] out = new double[values.length];
            for (int i = 0; i < out.length; i++) {
                out[i] = values[i];
            }
            return out;
        }
    }

    @ParameterizedTest
    @ValueSource(booleans = {false, true})
    void smallStepsAddUpAsInF32(boolean in8bit) {
        // A hundredth of what BF16 alone would round away of a weight of 0.1.
        AdamwOptions adamw = new AdamwOptions(2e-6, 0.9, 0.999, 1e-8, 0);
        try (Engine engine = Backends.open("cpu"); CausalModel a = model(engine, DType.BF16); CausalModel b = model(engine, DType.BF16);
             FullTrainable copies = new FullTrainable(a); FullTrainable remainders = new FullTrainable(b, true);
             AdamwOptimizer first = new AdamwOptimizer(copies, engine.device(), engine.ops(), List.of(),
                 new OptimizerOptions(adamw, 0, 1, false, 0, new OptimizerState(in8bit, Master.F32)));
             AdamwOptimizer second = new AdamwOptimizer(remainders, engine.device(), engine.ops(), List.of(),
                 new OptimizerOptions(adamw, 0, 1, false, 0, new OptimizerState(in8bit, Master.BF16)))) {
            setGradients(copies);
            setGradients(remainders);
            List<double[]> start = copies.parameters().stream().map(p -> value(engine, p)).toList();
            for (int step = 0; step < STEPS; step++) {
                first.step(1);
                second.step(1);
            }
            for (int i = 0; i < start.size(); i++) {
                compare(copies.parameters().get(i).name(), start.get(i), value(engine, copies.parameters().get(i)),
                    value(engine, remainders.parameters().get(i)));
            }
        }
    }

    /** Each step rounds the value to 8 bits and the remainder to 8 more: 2^-18 of the value, at most, and F32's own rounding in both. */
    private static void compare(String name, double[] start, double[] copies, double[] remainders) {
        double moved = 0;
        double worst = 0;
        for (int i = 0; i < start.length; i++) {
            double bound = STEPS * (Math.scalb(1.0, -17) + 2 * Math.ulp(1f)) * (Math.abs(copies[i]) + 1e-4);
            worst = Math.max(worst, Math.abs(remainders[i] - copies[i]) / bound);
            moved += Math.abs(copies[i] - start[i]) / start.length;
        }
        assertThat(worst).as(name + ", share of the bound").isLessThanOrEqualTo(1);
        assertThat(moved).as(name + " has moved").isGreaterThan(0.5 * STEPS * 2e-6);
    }

    @Test
    void aModelInF32HasNothingToRound() {
        try (Engine engine = Backends.open("cpu"); CausalModel model = model(engine, DType.F32)) {
            assertThatThrownBy(() -> new FullTrainable(model, true)).isInstanceOf(InputException.class).hasMessageContaining("dtype=bf16");
        }
        assertThatThrownBy(() -> new OptimizerOptions(new AdamwOptions(1e-3, 0.9, 0.999, 1e-8, 0), 0, 1, false, 0.9,
            new OptimizerState(false, Master.BF16))).isInstanceOf(InputException.class).hasMessageContaining("ema_decay");
    }
}
