package io.sails4j.conformance;

import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;

/** RMSNorm (arXiv:1910.07467 eq. 4), its scale stored as an offset from 1 (Gemma), from 0 (Llama) or from anything else. */
public final class RmsNormCases {
    /** Which input the output shares its memory with. */
    public enum Alias { NONE, X, RESIDUAL }

    private static final float[] OFFSETS = {1, 0, -0.25f};

    private RmsNormCases() {
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (int[] s : new int[][] {{0, 8}, {1, 1}, {3, 17}, {5, 64}, {2, 257}, {33, 31}, {64, 5}, {65, 7}, {3, 2304}, {2, 16400}}) {
            for (DType y : ElementwiseCases.FLOATS) {
                for (DType x : ElementwiseCases.FLOATS) {
                    cases.add(new Forward(s[0], s[1], true, s[1] % 2 == 1, Alias.NONE, OFFSETS[cases.size() / 2 % 3], y, x));
                    cases.add(new Backward(s[0], s[1], true, s[1] % 2 == 0, false, OFFSETS[cases.size() / 2 % 3], y, x));
                }
            }
        }
        for (DType type : ElementwiseCases.FLOATS) {
            cases.add(new Forward(4, 37, false, true, Alias.X, 1, type, type));
            cases.add(new Forward(4, 37, true, true, Alias.RESIDUAL, 0, type, DType.F32));
        }
        cases.add(new Backward(4, 37, false, false, true, 0, DType.F32, DType.BF16));
        cases.add(new Backward(4, 37, true, false, true, 1, DType.F32, DType.F32));
        cases.add(new Backward(300, 19, true, true, false, 1, DType.F32, DType.F32));
        cases.add(new Backward(1100, 40, true, false, false, 0, DType.BF16, DType.BF16));
        return cases;
    }

    /** y = residual + x * rstd * (offset + weight); in double. */
    static double[] forward(double[] x, double[] weight, double[] residual, int rows, int d, double eps, double offset) {
        double[] y = new double[rows * d];
        double[] rstd = rstds(x, rows, d, eps);
        for (int i = 0; i < y.length; i++) {
            y[i] = (residual.length == 0 ? 0 : residual[i]) + x[i] * rstd[i / d] * (offset + weight[i % d]);
        }
        return y;
    }

    static double[] rstds(double[] x, int rows, int d, double eps) {
        double[] rstd = new double[rows];
        for (int row = 0; row < rows; row++) {
            rstd[row] = rstd(x, row, d, eps);
        }
        return rstd;
    }

    static double rstd(double[] x, int row, int d, double eps) {
        double sum = 0;
        for (int j = 0; j < d; j++) {
            sum += x[row * d + j] * x[row * d + j];
        }
        return 1 / Math.sqrt(sum / d + eps);
    }

    /** dx [rows, d] and after it dweight [d], each with how far float32 may be off. */
    static Sum[] backward(double[] dy, double[] x, double[] weight, double[] rstd, int rows, int d, double offset) {
        Sum[] out = new Sum[rows * d + d];
        for (int i = 0; i < d; i++) {
            out[rows * d + i] = new Sum();
        }
        for (int row = 0; row < rows; row++) {
            Sum dot = new Sum();
            for (int j = 0; j < d; j++) {
                dot.add(dy[row * d + j] * (offset + weight[j]) * x[row * d + j]);
            }
            double r = rstd[row];
            for (int j = 0; j < d; j++) {
                int i = row * d + j;
                out[i] = new Sum();
                double first = r * dy[i] * (offset + weight[j]);
                out[i].add(first, 3 * Sum.EPS * Math.abs(first));
                double factor = r * r * r * x[i] / d;
                out[i].add(-factor * dot.value(), Math.abs(factor) * (dot.error() + 5 * Sum.EPS * Math.abs(dot.value())));
                double term = dy[i] * x[i] * r;
                out[rows * d + j].add(term, 2 * Sum.EPS * Math.abs(term));
            }
        }
        return out;
    }

    /** The forward pass, with or without residual, rstd and aliasing. */
    public record Forward(int rows, int d, boolean residual, boolean saveRstd, Alias alias, float offset, DType y, DType dtype)
        implements OpCase {
        private static final float EPS = 1e-3f;

        @Override
        public String operation() {
            return "rmsnorm_forward";
        }

        @Override
        public double flops() {
            return 6.0 * rows * d;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Draw draw = Draw.normal(2);
            Operand x = alias == Alias.X ? f.updated("x", dtype, draw, rows, d) : f.input("x", dtype, draw, rows, d);
            Operand weight = f.input("weight", DType.F32, Draw.normal(0.5), d);
            Operand res = !residual ? null : alias == Alias.RESIDUAL ? f.updated("residual", y, draw, rows, d)
                : f.input("residual", y, draw, rows, d);
            Operand rstd = saveRstd ? f.output("rstd", DType.F32, rows) : null;
            Operand out = alias == Alias.X ? x : alias == Alias.RESIDUAL && res != null ? res : f.output("y", y, rows, d);
            f.oracle(() -> {
                double[] added = res == null ? new double[0] : res.values();
                double[] expected = forward(x.values(), weight.values(), added, rows, d, EPS, offset);
                for (int i = 0; i < expected.length; i++) {
                    double r = res == null ? 0 : added[i];
                    double normed = expected[i] - r;
                    out.expect(i, expected[i], Sum.EPS * (Math.abs(expected[i]) + Math.abs(normed) * (0.5 * Math.sqrt(d) + 5)));
                }
                double[] roots = rstds(x.values(), rows, d, EPS);
                for (int i = 0; rstd != null && i < rows; i++) {
                    rstd.expect(i, roots[i], Sum.EPS * roots[i] * (0.5 * Math.sqrt(d) + 4));
                }
            });
            return () -> f.ops().block().rmsnormForward(out.tensor(), Fixture.tensorOrNull(rstd), x.tensor(), weight.tensor(),
                Fixture.tensorOrNull(res), EPS, offset);
        }
    }

    /** The backward pass; {@code alias}: dx is dy. */
    public record Backward(int rows, int d, boolean dweight, boolean accumulate, boolean alias, float offset, DType dy, DType dtype)
        implements OpCase {
        @Override
        public String operation() {
            return "rmsnorm_backward";
        }

        @Override
        public double flops() {
            return 10.0 * rows * d;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Draw draw = Draw.normal(1);
            Operand gradient = alias ? f.updated("dy", dy, draw, rows, d) : f.input("dy", dy, draw, rows, d);
            Operand x = f.input("x", dtype, Draw.normal(2), rows, d);
            Operand weight = f.input("weight", DType.F32, Draw.normal(0.5), d);
            Operand rstd = f.input("rstd", DType.F32, f.isTimed() ? Draw.constant(0.5) : (random, i) -> rstd(x.values(), i, d, 1e-6), rows);
            Operand dx = alias ? gradient : accumulate ? f.updated("dx", DType.F32, draw, rows, d) : f.output("dx", DType.F32, rows, d);
            Operand dw = dweight ? f.updated("dweight", DType.F32, draw, d) : null;
            f.oracle(() -> {
                Sum[] expected = backward(gradient.values(), x.values(), weight.values(), rstd.values(), rows, d, offset);
                for (int i = 0; i < rows * d; i++) {
                    if (accumulate) {
                        expected[i].add(dx.value(i));
                    }
                    dx.expect(i, expected[i].value(), expected[i].error());
                }
                for (int i = 0; dw != null && i < d; i++) {
                    expected[rows * d + i].add(dw.value(i));
                    dw.expect(i, expected[rows * d + i].value(), expected[rows * d + i].error());
                }
            });
            return () -> f.ops().block().rmsnormBackward(dx.tensor(), Fixture.tensorOrNull(dw), gradient.tensor(), x.tensor(),
                weight.tensor(), rstd.tensor(), offset, accumulate);
        }
    }
}
