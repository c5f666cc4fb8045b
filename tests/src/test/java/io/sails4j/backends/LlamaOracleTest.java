package io.sails4j.backends;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.RopeScaling;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.testing.Backends;
import io.sails4j.testing.LlamaOracle;
import io.sails4j.testing.TinyModel;
import io.sails4j.trace.Trace;
import java.util.Arrays;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A Llama-3 of two layers against scalar double arithmetic: logits, loss, and the gradient of every parameter. */
class LlamaOracleTest {
    private static final int[] IDS = new Random(4).ints(60, 0, 41).toArray();
    private static final double STEP = 1e-5;

    /** Frequencies 1, 0.1 (kept), 0.01 (blended), 0.001 (stretched) where the scaling is on. */
    private static ModelConfig config(boolean tied, boolean scaled) {
        RopeScaling scaling = scaled ? new RopeScaling.Llama3(8, 1, 4, 900) : new RopeScaling.None();
        return TinyModel.LLAMA.toBuilder().vocabSize(41).dFf(36).rope(10_000, scaling).tiedHead(tied).build();
    }

    @ParameterizedTest
    @CsvSource({"cpu, false, true", "cpu, true, false", "emulator, true, true", "emulator, false, false"})
    void everyGradient(String backend, boolean tied, boolean scaled) {
        ModelConfig config = config(tied, scaled);
        try (Engine engine = Backends.open(backend);
             CausalModel model = new CausalModel(engine, ModelWeights.random(config, engine, DType.F32, 11), false)) {
            unevenNorms(model);
            LlamaOracle oracle = LlamaOracle.of(model);
            Map<String, double[]> weights = oracle.weights();
            Map<String, HostTensor> trace = Trace.run(model, AdapterStack.none(), TokenBatch.of(IDS).withLabels(IDS), Trace.Gradients.ALL);
            double[] expected = Arrays.stream(oracle.logits(IDS)).flatMapToDouble(Arrays::stream).toArray();
            assertThat(relativeError(trace.get("logits").toFloatArray(), expected)).as("logits").isLessThan(1e-5);
            assertThat((double) trace.get("mean_loss").toFloatArray()[0]).isEqualTo(oracle.loss(IDS), within(1e-5));
            assertThat(weights).containsOnlyKeys(ModelWeights.shapes(config).keySet());
            weights.forEach((name, weight) -> checkGradient(oracle, name, weight, trace.get("grad." + name).toFloatArray()));
        }
    }

    /** A random model's norms are ones. */
    private static void unevenNorms(CausalModel model) {
        Random random = new Random(12);
        model.weights().parameters().values().stream().filter(tensor -> tensor.shape().rank() == 1).forEach(tensor -> {
            float[] values = tensor.toFloatArray();
            for (int i = 0; i < values.length; i++) {
                values[i] += (float) (0.3 * random.nextGaussian());
            }
            tensor.upload(values);
        });
    }

    /** In random directions v: (loss(w + h v) - loss(w - h v)) / 2h is the gradient's product with v. */
    private static void checkGradient(LlamaOracle oracle, String name, double[] weight, float[] gradient) {
        Random random = new Random(name.hashCode());
        double[] original = weight.clone();
        double norm = 0;
        for (float g : gradient) {
            norm += (double) g * g;
        }
        for (int trial = 0; trial < 3; trial++) {
            double[] direction = random.doubles(weight.length, -1, 1).toArray();
            double length = Math.sqrt(Arrays.stream(direction).map(v -> v * v).sum());
            double product = 0;
            for (int i = 0; i < weight.length; i++) {
                direction[i] /= length;
                product += gradient[i] * direction[i];
            }
            double slope = (lossAt(oracle, weight, original, direction, STEP) - lossAt(oracle, weight, original, direction, -STEP))
                / (2 * STEP);
            System.arraycopy(original, 0, weight, 0, weight.length);
            assertThat(product).as(name).isEqualTo(slope, within(1e-4 * Math.sqrt(norm) + 1e-9));
        }
        assertThat(norm).as(name).isPositive();
    }

    private static double lossAt(LlamaOracle oracle, double[] weight, double[] original, double[] direction, double step) {
        for (int i = 0; i < weight.length; i++) {
            weight[i] = original[i] + step * direction[i];
        }
        return oracle.loss(IDS);
    }

    private static double relativeError(float[] actual, double[] expected) {
        double difference = 0;
        double norm = 0;
        for (int i = 0; i < expected.length; i++) {
            difference += (actual[i] - expected[i]) * (actual[i] - expected[i]);
            norm += expected[i] * expected[i];
        }
        return Math.sqrt(difference / norm);
    }
}
