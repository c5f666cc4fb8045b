package io.sails4j.ops;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import io.sails4j.testing.Backends;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Products with packed weights near the ends of what float32 holds (sums of code * x must stay finite), where numbers drawn for the
 * conformance suite do not come.
 */
class QuantizedOpsTest {
    private static final int COLS = 40;

    @ParameterizedTest
    @ValueSource(strings = {"cpu", "cpu:isa=generic", "emulator"})
    void productsHoldFromSubnormalToHugeNumbers(String backend) {
        try (Engine engine = Backends.open(backend)) {
            for (DType packed : List.of(DType.Q8, DType.Q4)) {
                for (float largest : new float[] {0x1p110f, 1, 0x1p-90f, 1e-37f, Float.MIN_NORMAL, 1e-42f, 0}) {
                    check(engine, packed, largest);
                }
            }
        }
    }

    /** y = x W^T of one row, the largest of x being {@code largest}; the sum of magnitudes of W stays below 1. */
    private static void check(Engine engine, DType packed, float largest) {
        SplittableRandom random = new SplittableRandom(5);
        float[] x = new float[COLS];
        float[] w = new float[COLS];
        for (int i = 0; i < COLS; i++) {
            x[i] = i % 7 == 0 ? largest : (float) random.nextDouble(-1, 1) * largest;
            w[i] = (float) random.nextDouble(-1, 1) / COLS;
        }
        try (TensorArena memory = new TensorArena(engine.device())) {
            Tensor weight = memory.allocate(packed, 1, COLS);
            Tensor y = memory.allocate(DType.F32, 1, 1);
            Tensor wide = memory.allocate(DType.F32, 1, COLS);
            engine.ops().quantized().quantize(weight, memory.of(w, 1, COLS), null);
            engine.ops().quantized().dequantize(wide, weight);
            engine.ops().quantized().quantizedLinearForward(y, null, memory.of(x, 1, COLS), weight, null, null, 0);
            float[] read = wide.toFloatArray();
            double sum = 0;
            double magnitudes = 0;
            double weights = 0;
            for (int i = 0; i < COLS; i++) {
                sum += (double) x[i] * read[i];
                magnitudes += Math.abs((double) x[i] * read[i]);
                weights += Math.abs(read[i]);
            }
            // What sails.h allows to be rounded of x, and sums in float32.
            double error = Math.max(0x1p-16 * largest, 0x1p-101) * weights + COLS * (0x1p-24 * magnitudes + Float.MIN_VALUE);
            assertThat((double) y.toFloatArray()[0]).as("%s, largest %s", packed, largest).isCloseTo(sum, within(error));
        }
    }
}
