package io.sails4j.conformance;

import io.sails4j.ops.MatmulShape;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;

/**
 * c [m, n] = alpha op(a) op(b) + beta c, whose rows can be longer than they need be.
 *
 * @param pad elements at the end of each row that do not belong to the matrices
 */
public record MatmulCase(int m, int n, int k, boolean transposeA, boolean transposeB, float alpha, float beta, int pad, DType c,
    DType dtype)
    implements OpCase {

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        int[][] shapes = {{0, 3, 4}, {3, 0, 4}, {3, 4, 0}, {1, 1, 1}, {1, 17, 33}, {15, 31, 64}, {17, 16, 63}, {31, 33, 65},
            {7, 129, 127}, {64, 64, 64}};
        for (DType[] types : new DType[][] {{DType.F32, DType.F32}, {DType.F32, DType.BF16}, {DType.BF16, DType.BF16}}) {
            for (int[] s : shapes) {
                for (int transposes = 0; transposes < 4; transposes++) {
                    cases.add(new MatmulCase(s[0], s[1], s[2], (transposes & 1) != 0, (transposes & 2) != 0, 1, 0, 0, types[0], types[1]));
                }
            }
            // Past the largest tile in both directions; few tiles and a long sum, which a GPU splits.
            for (int[] s : new int[][] {{257, 130, 70}, {33, 40, 1200}}) {
                for (int transposes = 0; transposes < 4; transposes++) {
                    cases.add(new MatmulCase(s[0], s[1], s[2], (transposes & 1) != 0, (transposes & 2) != 0, 0.5f, 1, transposes, types[0],
                        types[1]));
                }
            }
            cases.add(new MatmulCase(3, 4, 0, false, false, 1, 0.5f, 0, types[0], types[1]));
            cases.add(new MatmulCase(19, 23, 29, false, true, -0.75f, 1, 3, types[0], types[1]));
            cases.add(new MatmulCase(19, 23, 29, true, false, 2, 0.5f, 1, types[0], types[1]));
            cases.add(new MatmulCase(19, 23, 29, false, false, 1, 0, 5, types[0], types[1]));
            cases.add(new MatmulCase(130, 67, 257, false, true, 1, 1, 0, types[0], types[1]));
            cases.add(new MatmulCase(5, 7, 1031, false, true, 1, 0, 0, types[0], types[1]));
            // Rows of whole vectors, which bulk copies take: around their tiles, several tiles a block and more of k than buffers, a long
            // sum in parts, rows that are longer.
            for (int transposes = 0; transposes < 3; transposes++) {
                boolean transposeA = transposes == 1;
                boolean transposeB = transposes == 2;
                cases.add(new MatmulCase(72, 56, 40, transposeA, transposeB, 1, 0, 0, types[0], types[1]));
                cases.add(new MatmulCase(136, 264, 72, transposeA, transposeB, 0.5f, 1, 8, types[0], types[1]));
                cases.add(new MatmulCase(64, 128, 704, transposeA, transposeB, 1, 1, 0, types[0], types[1]));
                cases.add(new MatmulCase(648, 256, 64, transposeA, transposeB, -1, 0, 0, types[0], types[1]));
                if (types[1] == DType.BF16) {
                    // Blocks that go in pairs, which only these types have.
                    cases.add(new MatmulCase(264, 376, 136, transposeA, transposeB, 1, 0.5f, 0, types[0], types[1]));
                    cases.add(new MatmulCase(264, 504, 136, transposeA, transposeB, -1, 0, 0, types[0], types[1]));
                }
            }
            // Few rows: more of a row than fits into shared memory at once, columns shared by warps, several columns a warp, all
            // alignments.
            cases.add(new MatmulCase(8, 5, 4808, false, true, 1, 0.5f, 0, types[0], types[1]));
            cases.add(new MatmulCase(1, 3, 20001, false, true, 1, 0, 0, types[0], types[1]));
            cases.add(new MatmulCase(1, 2051, 72, false, true, 1, 0, 0, types[0], types[1]));
            cases.add(new MatmulCase(3, 2100, 40, false, true, 2, 0, 8, types[0], types[1]));
            cases.add(new MatmulCase(4, 70, 640, false, true, 1, 1, 4, types[0], types[1]));
        }
        return cases;
    }

    @Override
    public String operation() {
        return "matmul";
    }

    @Override
    public double flops() {
        return 2.0 * m * n * k;
    }

    @Override
    public Runnable prepare(Fixture f) {
        int aRows = transposeA ? k : m;
        int lda = (transposeA ? m : k) + pad;
        int bRows = transposeB ? n : k;
        int ldb = (transposeB ? k : n) + pad;
        int ldc = n + pad;
        if (pad % 8 == 0 && m % 8 == 0 && n % 8 == 0 && k % 8 == 0) {
            f.aligned();
        }
        // Padding holds what must not leak into the product.
        Operand a = f.input("a", dtype, padded(lda, pad), aRows, lda);
        Operand b = f.input("b", dtype, padded(ldb, pad), bRows, ldb);
        Operand out = beta == 0 ? f.output("c", c, m, ldc) : f.updated("c", c, padded(ldc, pad), m, ldc);
        MatmulShape shape = new MatmulShape(m, n, k, ldc, lda, ldb, transposeA, transposeB);
        f.oracle(() -> expect(a, b, out, lda, ldb, ldc));
        return () -> f.ops().matmul().matmul(out.tensor(), a.tensor(), b.tensor(), shape, alpha, beta);
    }

    private static Draw padded(int ld, int pad) {
        return (random, i) -> i % ld >= ld - pad ? Double.NaN : random.nextGaussian();
    }

    private void expect(Operand a, Operand b, Operand out, int lda, int ldb, int ldc) {
        for (int i = 0; i < m; i++) {
            for (int j = 0; j < n; j++) {
                Sum sum = new Sum();
                for (int l = 0; l < k; l++) {
                    sum.add(a.value(transposeA ? l * lda + i : i * lda + l) * b.value(transposeB ? j * ldb + l : l * ldb + j));
                }
                double old = beta == 0 ? 0 : beta * out.value(i * ldc + j);
                double value = alpha * sum.value() + old;
                out.expect(i * ldc + j, value, Math.abs(alpha) * sum.error() + Sum.EPS * (Math.abs(value) + Math.abs(old)));
            }
        }
    }
}
