package io.sails4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.ops.MatmulShape;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.TensorArena;
import java.util.SplittableRandom;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Long sums in f32 keep their digits: rounding adds up like a random walk, of sqrt(k / 2) = 45 roundings for 4096 products in one
 * accumulator (19 units of 2^-24 were seen), and of less in sums of sums: 10 in oneDNN's, 5 in ours.
 */
class SumRoundingTest {
    private static final int ROWS = 40;
    private static final int COLUMNS = 48;
    private static final int DEPTH = 4096;

    @ParameterizedTest
    @CsvSource({"cpu,,11", "cpu,matmul=own,8", "emulator,,8"})
    void longSumsRoundLikeSumsOfSums(String backend, @Nullable String options, double limit) {
        SplittableRandom random = new SplittableRandom(11);
        float[] a = drawn(random, ROWS * DEPTH);
        float[] b = drawn(random, COLUMNS * DEPTH);
        float[] c;
        try (Engine engine = Engine.open(new EngineOptions(backend, 1, options == null ? "" : options));
             TensorArena memory = new TensorArena(engine.device())) {
            var out = memory.allocate(DType.F32, ROWS, COLUMNS);
            engine.ops().matmul().matmul(out, memory.of(a, ROWS, DEPTH), memory.of(b, COLUMNS, DEPTH),
                MatmulShape.dense(ROWS, COLUMNS, DEPTH, false, true), 1, 0);
            c = out.toFloatArray();
        }
        double errors = 0;
        double squares = 0;
        for (int i = 0; i < ROWS; i++) {
            for (int j = 0; j < COLUMNS; j++) {
                double sum = 0;
                for (int l = 0; l < DEPTH; l++) {
                    sum += (double) a[i * DEPTH + l] * b[j * DEPTH + l];
                }
                double error = c[i * COLUMNS + j] - sum;
                errors += error * error;
                squares += sum * sum;
            }
        }
        double units = Math.sqrt(errors / squares) / Sum.EPS;
        assertThat(units).isLessThan(limit);
    }

    private static float[] drawn(SplittableRandom random, int n) {
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }
}
