package io.sails4j.conformance;

import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** Row standardisation (SAELens' layer_norm) and its way back. */
public final class StandardizeCases {
    private static final float EPS = 1e-5f;

    private StandardizeCases() {
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        // One column has no standard deviation (0 / 0), so two is the smallest.
        for (int[] s : new int[][] {{0, 8}, {1, 2}, {3, 17}, {5, 64}, {2, 257}, {33, 31}}) {
            boolean odd = s[0] % 2 == 1;
            cases.add(new Forward(s[0], s[1], odd));
            cases.add(new Backward(s[0], s[1], odd, s[0] % 3 != 0));
            cases.add(new UnstandardizeForward(s[0], s[1], odd));
            cases.add(new UnstandardizeBackward(s[0], s[1], odd));
        }
        cases.add(new UnstandardizeForward(3, 1, false));
        cases.add(new UnstandardizeBackward(3, 1, false));
        cases.add(new Backward(4, 37, true, true));
        cases.add(new Backward(4, 37, false, false));
        return cases;
    }

    /** Rows with means far from 0: a one-pass variance would lose its digits there. */
    private static Draw rows(int cols) {
        return (random, i) -> 20 * (i / cols % 3 - 1) + random.nextGaussian();
    }

    static double mean(double[] x, int row, int cols) {
        double sum = 0;
        for (int j = 0; j < cols; j++) {
            sum += x[row * cols + j];
        }
        return sum / cols;
    }

    static double std(double[] x, int row, int cols) {
        double mean = mean(x, row, cols);
        double sum = 0;
        for (int j = 0; j < cols; j++) {
            sum += (x[row * cols + j] - mean) * (x[row * cols + j] - mean);
        }
        return Math.sqrt(sum / (cols - 1));
    }

    /** y, mean and std of x. */
    public record Forward(int rows, int cols, boolean alias) implements OpCase {
        @Override
        public String operation() {
            return "standardize_forward";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return 6.0 * rows * cols;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand x = alias ? f.updated("x", DType.F32, StandardizeCases.rows(cols), rows, cols)
                : f.input("x", DType.F32, StandardizeCases.rows(cols), rows, cols);
            Operand y = alias ? x : f.output("y", DType.F32, rows, cols);
            Operand mean = f.output("mean", DType.F32, rows);
            Operand std = f.output("std", DType.F32, rows);
            f.oracle(() -> {
                for (int row = 0; row < rows; row++) {
                    expectRow(row, x.values(), y, mean, std);
                }
            });
            return () -> f.ops().sae().standardizeForward(y.tensor(), mean.tensor(), std.tensor(), x.tensor(), EPS);
        }

        private void expectRow(int row, double[] x, Operand y, Operand mean, Operand std) {
            double mu = StandardizeCases.mean(x, row, cols);
            double sigma = StandardizeCases.std(x, row, cols);
            double size = 0;
            for (int j = 0; j < cols; j++) {
                size += Math.abs(x[row * cols + j]) / cols;
            }
            double meanError = Sum.EPS * (Math.sqrt(cols) + 1) * size;
            double stdError = Sum.EPS * (Math.sqrt(cols) + 4) * sigma + meanError;
            mean.expect(row, mu, meanError);
            std.expect(row, sigma, stdError);
            for (int j = 0; j < cols; j++) {
                double value = (x[row * cols + j] - mu) / (sigma + EPS);
                double differenceError = meanError + Sum.EPS * (Math.abs(x[row * cols + j]) + Math.abs(mu));
                y.expect(row * cols + j, value, (differenceError + Math.abs(value) * stdError) / (sigma + EPS)
                    + 3 * Sum.EPS * Math.abs(value));
            }
        }
    }

    /** dx of sum(dy * y) + dmean * mean + dstd * std, of one row. */
    static Sum[] backward(double[] dy, double dmean, double dstd, double[] x, double mean, double std, double eps) {
        int n = x.length;
        double s = std + eps;
        Sum total = new Sum();
        Sum dot = new Sum();
        for (int j = 0; j < n; j++) {
            double centred = x[j] - mean;
            total.add(dy[j]);
            dot.add(dy[j] * centred, Sum.EPS * Math.abs(dy[j]) * (Math.abs(x[j]) + Math.abs(mean)));
        }
        Sum[] dx = new Sum[n];
        Arrays.setAll(dx, j -> new Sum());
        for (int j = 0; j < n; j++) {
            double centred = x[j] - mean;
            double slope = centred / ((n - 1) * std);
            double slopeError = Sum.EPS * ((Math.abs(x[j]) + Math.abs(mean)) / ((n - 1) * std) + 3 * Math.abs(slope));
            double byStd = dstd - dot.value() / (s * s);
            double byStdError = dot.error() / (s * s) + 4 * Sum.EPS * (Math.abs(dot.value()) / (s * s) + Math.abs(dstd));
            dx[j].add(dy[j] / s, 3 * Sum.EPS * Math.abs(dy[j] / s));
            dx[j].add(-total.value() / n / s, (total.error() + 3 * Sum.EPS * Math.abs(total.value())) / n / s);
            dx[j].add(dmean / n, Sum.EPS * Math.abs(dmean / n));
            dx[j].add(byStd * slope, byStdError * Math.abs(slope) + Math.abs(byStd) * slopeError);
        }
        return dx;
    }

    /** Through y, and through mean and std where their gradients are given. */
    public record Backward(int rows, int cols, boolean dmean, boolean dstd) implements OpCase {
        @Override
        public String operation() {
            return "standardize_backward";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return 10.0 * rows * cols;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand x = f.input("x", DType.F32, StandardizeCases.rows(cols), rows, cols);
            Operand dy = f.input("dy", DType.F32, Draw.normal(1), rows, cols);
            Operand mean = f.input("mean", DType.F32, f.isTimed() ? Draw.constant(0) : (random, i) -> mean(x.values(), i, cols), rows);
            Operand std = f.input("std", DType.F32, f.isTimed() ? Draw.constant(1) : (random, i) -> std(x.values(), i, cols), rows);
            Operand gradMean = dmean ? f.input("dmean", DType.F32, Draw.normal(1), rows) : null;
            Operand gradStd = dstd ? f.input("dstd", DType.F32, Draw.normal(1), rows) : null;
            Operand dx = f.output("dx", DType.F32, rows, cols);
            f.oracle(() -> {
                for (int row = 0; row < rows; row++) {
                    int from = row * cols;
                    double byMean = gradMean == null ? 0 : gradMean.value(row);
                    double byStd = gradStd == null ? 0 : gradStd.value(row);
                    Sum[] expected = backward(Arrays.copyOfRange(dy.values(), from, from + cols), byMean, byStd,
                        Arrays.copyOfRange(x.values(), from, from + cols), mean.value(row), std.value(row), EPS);
                    for (int j = 0; j < cols; j++) {
                        dx.expect(from + j, expected[j].value(), expected[j].error());
                    }
                }
            });
            return () -> f.ops().sae().standardizeBackward(dx.tensor(), dy.tensor(), Fixture.tensorOrNull(gradMean),
                Fixture.tensorOrNull(gradStd), x.tensor(), mean.tensor(), std.tensor(), EPS);
        }
    }

    /** y = x std + mean. */
    public record UnstandardizeForward(int rows, int cols, boolean alias) implements OpCase {
        @Override
        public String operation() {
            return "unstandardize_forward";
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
            Operand x = alias ? f.updated("x", DType.F32, Draw.normal(1), rows, cols) : f.input("x", DType.F32, Draw.normal(1), rows, cols);
            Operand mean = f.input("mean", DType.F32, Draw.normal(1), rows);
            Operand std = f.input("std", DType.F32, Draw.uniform(0.1, 3), rows);
            Operand y = alias ? x : f.output("y", DType.F32, rows, cols);
            f.oracle(() -> {
                for (int i = 0; i < rows * cols; i++) {
                    double scaled = x.value(i) * std.value(i / cols);
                    y.expect(i, scaled + mean.value(i / cols), Sum.EPS * (Math.abs(scaled) + Math.abs(mean.value(i / cols))));
                }
            });
            return () -> f.ops().sae().unstandardizeForward(y.tensor(), x.tensor(), mean.tensor(), std.tensor());
        }
    }

    /** dx = dy std, dmean = sum dy, dstd = sum dy x. */
    public record UnstandardizeBackward(int rows, int cols, boolean alias) implements OpCase {
        @Override
        public String operation() {
            return "unstandardize_backward";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return 4.0 * rows * cols;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand x = f.input("x", DType.F32, Draw.normal(1), rows, cols);
            Operand std = f.input("std", DType.F32, Draw.uniform(0.1, 3), rows);
            Operand dy = alias ? f.updated("dy", DType.F32, Draw.normal(1), rows, cols)
                : f.input("dy", DType.F32, Draw.normal(1), rows, cols);
            Operand dx = alias ? dy : f.output("dx", DType.F32, rows, cols);
            Operand dmean = f.output("dmean", DType.F32, rows);
            Operand dstd = f.output("dstd", DType.F32, rows);
            f.oracle(() -> {
                for (int row = 0; row < rows; row++) {
                    Sum byMean = new Sum();
                    Sum byStd = new Sum();
                    for (int i = row * cols; i < (row + 1) * cols; i++) {
                        double value = dy.value(i) * std.value(row);
                        dx.expect(i, value, Sum.EPS * Math.abs(value));
                        byMean.add(dy.value(i));
                        byStd.add(dy.value(i) * x.value(i));
                    }
                    dmean.expect(row, byMean.value(), byMean.error());
                    dstd.expect(row, byStd.value(), byStd.error());
                }
            });
            return () -> f.ops().sae().unstandardizeBackward(dx.tensor(), dmean.tensor(), dstd.tensor(), dy.tensor(), x.tensor(),
                std.tensor());
        }
    }
}
