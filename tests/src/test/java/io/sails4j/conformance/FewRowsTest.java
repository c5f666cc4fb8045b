package io.sails4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import io.sails4j.testing.Backends;
import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A token's row times the weights has the same bits alone and among others, so that sequences decoded together are as each alone. */
class FewRowsTest {
    private static final int MOST_ROWS = 8;
    private static final int COLUMNS = 29;
    private static final int DEPTH = 2 * 256 + 37;

    @ParameterizedTest
    @CsvSource({"'cpu:matmul=own', F32", "'cpu:matmul=own', BF16", "'cpu:isa=avx2,matmul=own', F32", "'cpu:isa=avx2,matmul=own', BF16",
        "'cpu:isa=generic,matmul=own', F32", "'cpu:isa=generic,matmul=own', BF16"})
    void aRowIsTheSameInAnyCompany(String backend, DType dtype) {
        SplittableRandom random = new SplittableRandom(3);
        float[] rows = drawn(random, MOST_ROWS * DEPTH);
        try (Engine engine = Backends.open(backend, 2); TensorArena memory = new TensorArena(engine.device())) {
            Tensor weights = filled(engine, memory, dtype, drawn(random, COLUMNS * DEPTH), COLUMNS);
            float[] alone = new float[0];
            for (int i = 0; i < MOST_ROWS; i++) {
                float[] row = product(engine, memory, weights, Arrays.copyOfRange(rows, i * DEPTH, (i + 1) * DEPTH), 1);
                alone = Arrays.copyOf(alone, alone.length + COLUMNS);
                System.arraycopy(row, 0, alone, i * COLUMNS, COLUMNS);
            }
            for (int count = 2; count <= MOST_ROWS; count++) {
                assertThat(product(engine, memory, weights, Arrays.copyOf(rows, count * DEPTH), count)).as("%s rows", count)
                    .isEqualTo(Arrays.copyOf(alone, count * COLUMNS));
            }
        }
    }

    private static float[] product(Engine engine, TensorArena memory, Tensor weights, float[] rows, int count) {
        Tensor out = memory.allocate(DType.F32, count, COLUMNS);
        engine.ops().matmul().matmul(out, filled(engine, memory, weights.dtype(), rows, count), weights, false, true, 1, 0);
        return out.toFloatArray();
    }

    private static Tensor filled(Engine engine, TensorArena memory, DType dtype, float[] values, int rows) {
        Tensor tensor = memory.allocate(dtype, rows, DEPTH);
        engine.ops().elementwise().convert(tensor, memory.of(values, rows, DEPTH));
        return tensor;
    }

    private static float[] drawn(SplittableRandom random, int n) {
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
