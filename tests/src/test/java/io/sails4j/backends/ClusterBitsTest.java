package io.sails4j.backends;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Blocks that share what they read add in the order in which a single block does: where k is not split, the option changes no bit. */
class ClusterBitsTest {
    @ParameterizedTest
    @CsvSource({"false, true", "false, false", "true, false"})
    void theSameBitsWithPairsAndWithSingleBlocks(boolean transposeA, boolean transposeB) {
        assertThat(product("clusters=on", transposeA, transposeB)).isEqualTo(product("clusters=off", transposeA, transposeB));
    }

    private static float[] product(String option, boolean transposeA, boolean transposeB) {
        int m = 264;
        int n = 504;
        int k = 136;
        try (Engine engine = Engine.open(new EngineOptions("emulator", 0, "kernels=hopper," + option));
             Tensor a = normal(engine, 1, transposeA ? k : m, transposeA ? m : k); Tensor b = normal(engine, 2, transposeB ? n : k, transposeB ? k : n);
             Tensor c = engine.device().zeros(DType.F32, Shape.of(m, n))) {
            engine.ops().matmul(c, a, b, transposeA, transposeB, 1, 0);
            return c.toFloatArray();
        }
    }

    private static Tensor normal(Engine engine, long seed, int rows, int cols) {
        Random random = new Random(seed);
        float[] values = new float[rows * cols];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextGaussian();
        }
        Tensor rounded = engine.device().zeros(DType.BF16, Shape.of(rows, cols));
        try (Tensor exact = engine.device().upload(HostTensor.ofFloats(values, rows, cols))) {
            engine.ops().convert(rounded, exact);
        }
        return rounded;
    }
}
