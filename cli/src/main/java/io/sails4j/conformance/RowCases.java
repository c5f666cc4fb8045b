package io.sails4j.conformance;

import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;

/** Rows with numbers of their own: products of rows, and rows scaled and added. */
public final class RowCases {
    private RowCases() {
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (int[] s : new int[][] {{0, 8}, {3, 0}, {1, 1}, {7, 31}, {5, 64}, {33, 129}, {2, 2304}}) {
            cases.add(new DotRows(s[0], s[1], s[0] == 5));
            cases.add(new ScaleRows(s[0], s[1], true, true));
            cases.add(new ScaleRows(s[0], s[1], true, false));
            cases.add(new ScaleRows(s[0], s[1], false, true));
        }
        return cases;
    }

    /** dots = &lt;a[i], b[i]&gt;. */
    public record DotRows(int rows, int cols, boolean same) implements OpCase {
        @Override
        public String operation() {
            return "dot_rows";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return 2.0 * rows * cols;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand a = f.input("a", DType.F32, Draw.normal(1), rows, cols);
            Operand b = same ? a : f.input("b", DType.F32, Draw.normal(1), rows, cols);
            Operand dots = f.output("dots", DType.F32, rows);
            f.oracle(() -> {
                for (int i = 0; i < rows; i++) {
                    Sum sum = new Sum();
                    for (int j = i * cols; j < (i + 1) * cols; j++) {
                        sum.add(a.value(j) * b.value(j));
                    }
                    dots.expect(i, sum.value(), sum.error());
                }
            });
            return () -> f.ops().elementwise().dotRows(dots.tensor(), a.tensor(), b.tensor());
        }
    }

    /** y = beta[i] y + alpha[i] x. */
    public record ScaleRows(int rows, int cols, boolean withX, boolean withBeta) implements OpCase {
        @Override
        public String operation() {
            return "scale_rows";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return 3.0 * rows * cols;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand y = f.updated("y", DType.F32, Draw.normal(1), rows, cols);
            Operand x = withX ? f.input("x", DType.F32, Draw.normal(1), rows, cols) : null;
            Operand alpha = withX ? f.input("alpha", DType.F32, Draw.normal(1), rows) : null;
            Operand beta = withBeta ? f.input("beta", DType.F32, Draw.normal(1), rows) : null;
            f.oracle(() -> {
                for (int i = 0; i < rows * cols; i++) {
                    double kept = y.value(i) * (beta == null ? 1 : beta.value(i / cols));
                    double added = x == null || alpha == null ? 0 : alpha.value(i / cols) * x.value(i);
                    y.expect(i, kept + added, 2 * Sum.EPS * (Math.abs(kept) + Math.abs(added)));
                }
            });
            return () -> f.ops().elementwise().scaleRows(y.tensor(), Fixture.tensorOrNull(x), Fixture.tensorOrNull(alpha),
                Fixture.tensorOrNull(beta));
        }
    }
}
