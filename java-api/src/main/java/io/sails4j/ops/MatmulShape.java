package io.sails4j.ops;

/**
 * The sizes of a product op(a) op(b) whose matrices may lie inside wider ones; op(a) [m, k], op(b) [k, n], transposed operands are stored
 * [k, m], [n, k].
 *
 * @param ldc elements from one row of the stored c to the next, at least its columns; {@code lda} and {@code ldb} likewise
 */
public record MatmulShape(long m, long n, long k, long ldc, long lda, long ldb, boolean transposeA, boolean transposeB) {
    public MatmulShape {
        if (m < 0 || n < 0 || k < 0) {
            throw new IllegalArgumentException("matmul: a size is negative: m " + m + ", n " + n + ", k " + k);
        }
        requireStride("ldc", ldc, n);
        requireStride("lda", lda, transposeA ? m : k);
        requireStride("ldb", ldb, transposeB ? k : n);
    }

    private static void requireStride(String name, long stride, long cols) {
        if (stride < cols) {
            throw new IllegalArgumentException("matmul: " + name + " is " + stride + ", but a row has " + cols + " elements");
        }
    }

    /** The sizes of matrices without room between their rows. */
    public static MatmulShape dense(long m, long n, long k, boolean transposeA, boolean transposeB) {
        return new MatmulShape(m, n, k, n, transposeA ? m : k, transposeB ? k : n, transposeA, transposeB);
    }

    /** Elements that c must at least hold. */
    public long minCElements() {
        return elements(m, n, ldc);
    }

    /** Elements that a must at least hold. */
    public long minAElements() {
        return transposeA ? elements(k, m, lda) : elements(m, k, lda);
    }

    /** Elements that b must at least hold. */
    public long minBElements() {
        return transposeB ? elements(n, k, ldb) : elements(k, n, ldb);
    }

    private static long elements(long rows, long cols, long stride) {
        return rows == 0 ? 0 : Math.addExact(Math.multiplyExact(rows - 1, stride), cols);
    }
}
