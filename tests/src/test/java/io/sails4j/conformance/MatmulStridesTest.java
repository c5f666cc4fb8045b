package io.sails4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.ffi.NativeDevice;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.Parameter;
import org.junit.jupiter.params.ParameterizedClass;
import org.junit.jupiter.params.provider.ValueSource;

/**
 * Matmul over matrices that lie inside wider ones. The question for the workspace does not name the strides, so its answer must do for all
 * of them; what lies between the rows and behind the workspace must stay as it was.
 */
@ParameterizedClass
@ValueSource(strings = {"cpu", "emulator"})
class MatmulStridesTest {
    private static final int F32 = 0;
    private static final int BF16 = 1;
    private static final long[] HEIGHTS = {1, 2, 5, 17, 64};
    private static final long[] WIDTHS = {1, 7, 33, 64};
    private static final long[] DEPTHS = {1, 3, 13, 64, 300};

    private static final byte[] RED_ZONE = new byte[64];

    static {
        Arrays.fill(RED_ZONE, (byte) 0x5a);
    }

    @Parameter
    private String backend;

    private final Random random = new Random(20251223);
    private NativeDevice device;

    @BeforeEach
    void open() {
        device = NativeDevice.open("sails_" + backend, 0, 0, "");
    }

    @AfterEach
    void close() {
        device.close();
    }

    /** A stored matrix and its device copy. */
    private final class Stored implements AutoCloseable {
        final long ld;
        final float[] values;
        final int dtype;
        final long address;

        Stored(long rows, long cols, int dtype) {
            this.ld = stride(cols);
            this.dtype = dtype;
            values = new float[(int) (rows * ld)];
            for (int i = 0; i < values.length; i++) {
                values[i] = truncated(random.nextFloat() * 2 - 1);
            }
            address = device.alloc(values.length * size());
            device.upload(address, bytes(values));
        }

        private long size() {
            return dtype == F32 ? 4 : 2;
        }

        private MemorySegment bytes(float[] from) {
            if (dtype == F32) {
                return MemorySegment.ofArray(from);
            }
            short[] upper = new short[from.length];
            for (int i = 0; i < from.length; i++) {
                upper[i] = (short) (Float.floatToRawIntBits(from[i]) >>> 16);
            }
            return MemorySegment.ofArray(upper);
        }

        float[] downloaded() {
            float[] got = new float[values.length];
            if (dtype == F32) {
                device.download(MemorySegment.ofArray(got), address);
                return got;
            }
            short[] upper = new short[values.length];
            device.download(MemorySegment.ofArray(upper), address);
            for (int i = 0; i < got.length; i++) {
                got[i] = Float.intBitsToFloat(upper[i] << 16);
            }
            return got;
        }

        double at(long i, long j, boolean transposed) {
            return values[(int) (transposed ? j * ld + i : i * ld + j)];
        }

        @Override
        public void close() {
            device.free(address);
        }
    }

    /** The value with the 16 lower bits of its float cut off, which bf16 holds exactly. */
    private static float truncated(float x) {
        return Float.intBitsToFloat(Float.floatToRawIntBits(x) & 0xffff0000);
    }

    /** Dense, odd, a vector's width, a large power of two. */
    private long stride(long cols) {
        return switch (random.nextInt(6)) {
            case 0, 1 -> cols;
            case 2 -> cols + 1;
            case 3 -> cols + 7;
            case 4 -> (cols / 16 + 1) * 16;
            default -> (cols / 1024 + 1) * 1024;
        };
    }

    private long pick(long[] sizes) {
        return sizes[random.nextInt(sizes.length)];
    }

    @Test
    void everyStrideGetsByWithTheWorkspaceOfItsShape() {
        for (int i = 0; i < 300; i++) {
            compare(pick(HEIGHTS), pick(WIDTHS), pick(DEPTHS), random.nextBoolean(), random.nextBoolean(), random.nextInt(3));
        }
    }

    private void compare(long m, long n, long k, boolean transposeA, boolean transposeB, int types) {
        int ab = types == 0 ? F32 : BF16;
        float alpha = random.nextBoolean() ? 1 : 0.375f;
        float beta = random.nextBoolean() ? 0 : 0.625f;
        try (Stored a = transposeA ? new Stored(k, m, ab) : new Stored(m, k, ab);
             Stored b = transposeB ? new Stored(n, k, ab) : new Stored(k, n, ab);
             Stored c = new Stored(m, n, types == 2 ? BF16 : F32)) {
            long bytes = device.matmulWorkspaceBytes(m, n, k, c.dtype, ab, transposeA ? 1 : 0, transposeB ? 1 : 0);
            long workspace = device.alloc(bytes + RED_ZONE.length);
            device.upload(workspace + bytes, MemorySegment.ofArray(RED_ZONE));
            device.matmul(c.address, a.address, b.address, m, n, k, c.ld, a.ld, b.ld, c.dtype, ab, transposeA ? 1 : 0,
                transposeB ? 1 : 0, alpha, beta, workspace, bytes);
            byte[] behind = new byte[RED_ZONE.length];
            device.download(MemorySegment.ofArray(behind), workspace + bytes);
            assertThat(behind).as("behind the workspace").isEqualTo(RED_ZONE);
            device.free(workspace);
            float[] got = c.downloaded();
            for (long i = 0; i < m; i++) {
                for (long j = 0; j < c.ld; j++) {
                    compareElement(got[(int) (i * c.ld + j)], i, j, k, n, a, b, c, transposeA, transposeB, alpha, beta);
                }
            }
        }
    }

    private static void compareElement(float got, long i, long j, long k, long n, Stored a, Stored b, Stored c, boolean transposeA,
        boolean transposeB, float alpha, float beta) {
        if (j >= n) {
            assertThat(got).as("between the rows").isEqualTo((float) c.at(i, j, false));
            return;
        }
        double sum = 0;
        double scale = 0;
        for (long l = 0; l < k; l++) {
            double product = a.at(i, l, transposeA) * b.at(l, j, transposeB);
            sum += product;
            scale += Math.abs(product);
        }
        double want = alpha * sum + beta * c.at(i, j, false);
        // Rounding of k products and their sums, and of the result to its type.
        double tolerance = 0x1p-23 * (Math.sqrt(k) + 2) * (scale + 1) + (c.dtype == BF16 ? 0x1p-8 * Math.abs(want) : 0);
        assertThat((double) got).as("c[%s, %s] of k = %s", i, j, k).isCloseTo(want, within(tolerance));
    }
}
