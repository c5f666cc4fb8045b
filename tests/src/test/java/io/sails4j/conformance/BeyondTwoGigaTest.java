package io.sails4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.testing.Backends;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

/** Tensors of more than 2^31 elements: needs 5 GiB and half a minute, so only with {@code -Dsails.slow=true}. */
class BeyondTwoGigaTest {
    private static final long COLS = 4099;
    private static final long ROWS = (1L << 31) / COLS + 3;

    @Test
    void elementsBeyondTwoToThe31AreReachedByRowAndByIndex() {
        assumeTrue(Boolean.getBoolean("sails.slow"), "skipped: -Dsails.slow=true runs it");
        try (Engine engine = Backends.open("cpu");
             Tensor x = engine.device().zeros(DType.BF16, Shape.of(ROWS, COLS));
             Tensor rows = engine.device().allocate(DType.I32, Shape.of(2));
             Tensor y = engine.device().allocate(DType.BF16, Shape.of(2, COLS))) {
            short[] marked = new short[(int) COLS];
            marked[(int) COLS - 1] = (short) 0x7f80; // infinity
            x.rows(ROWS - 1, 1).upload(MemorySegment.ofArray(marked));
            assertThat(engine.ops().elementwise().countNonfinite(x)).isEqualTo(1);
            rows.upload(new int[] {(int) (ROWS - 1), 0});
            engine.ops().elementwise().gatherRows(y, x, rows);
            float[] got = y.toHost().toFloatArray();
            assertThat(got[(int) COLS - 1]).isEqualTo(Float.POSITIVE_INFINITY);
            assertThat(got[(int) COLS]).isZero();
        }
    }
}
