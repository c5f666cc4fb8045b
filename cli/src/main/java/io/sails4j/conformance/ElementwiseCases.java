package io.sails4j.conformance;

import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/** Conversion, row and elementwise sums, reductions. */
public final class ElementwiseCases {
    static final DType[] FLOATS = {DType.F32, DType.BF16};

    private ElementwiseCases() {
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (DType dst : new DType[] {DType.F32, DType.BF16, DType.F16, DType.F64}) {
            for (DType src : new DType[] {DType.F32, DType.BF16, DType.F16, DType.F64}) {
                for (int n : new int[] {0, 1, 67, 70001}) {
                    cases.add(new Convert(n, dst, src));
                }
            }
        }
        for (DType x : FLOATS) {
            for (int n : new int[] {0, 1, 15, 17, 1009, 70001}) {
                cases.add(new Axpby(n, 0.75f, -1.5f, x));
            }
            cases.add(new Axpby(131, 2, 0, x));
            cases.add(new Axpby(131, 0, 1, x));
            for (int[] shape : new int[][] {{0, 5}, {1, 1}, {3, 17}, {7, 64}, {13, 129}, {5, 0}}) {
                cases.add(new AddRow(shape[0], shape[1], -0.5f, x, false));
                cases.add(new GatherRows(shape[0], 11, shape[1], x));
            }
            cases.add(new AddRow(4, 33, 1.25f, x, x == DType.F32));
        }
        cases.add(new SumOfSquares(List.of()));
        cases.add(new SumOfSquares(List.of(0, 1, 17, 8192, 8193, 100003, 31, 4_200_001)));
        for (DType x : new DType[] {DType.F32, DType.BF16, DType.F16}) {
            for (int n : new int[] {0, 1, 63, 70001}) {
                cases.add(new CountNonfinite(n, x));
            }
        }
        return cases;
    }

    /** Numbers that rounding gets wrong first: ties, subnormals, the largest, the non-finite. */
    private static final double[] SPECIAL = {0.0, -0.0, 1, -1, 1 + 0x1p-8, 1 + 0x1p-8 + 0x1p-40, 1 + 0x3p-8, 1 + 0x1p-11, 1 + 0x1p-24,
        1 + 0x1p-24 + 0x1p-50, 65504, 65519, 65520, 65536, Float.MAX_VALUE, 3.4028234e38, 3.3961e38, 1e39, -1e39, Double.MAX_VALUE, 0x1p-14,
        0x1p-15, 0x1p-24, 0x1p-25, 0x3p-26, 0x1p-126, 0x1p-127, 0x1.8p-133, 0x1p-134, 0x1p-149, 0x1p-150, 0x1p-1000,
        Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, Double.NaN};

    /** destination [n] = source [n]; every result is the nearest number. */
    public record Convert(int n, DType to, DType from) implements OpCase {
        @Override
        public String operation() {
            return "convert";
        }

        @Override
        public DType dtype() {
            return to;
        }

        @Override
        public double flops() {
            return 0;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Draw draw = (random, i) -> i >= 10 && i < 10 + SPECIAL.length ? SPECIAL[i - 10]
                : random.nextGaussian() * Math.pow(2, random.nextInt(-20, 20));
            Operand x = f.input("source", from, draw, n);
            Operand y = f.output("destination", to, n);
            f.oracle(() -> {
                for (int i = 0; i < n; i++) {
                    y.expectExactly(i, x.value(i));
                }
            });
            return () -> f.ops().elementwise().convert(y.tensor(), x.tensor());
        }
    }

    /** y = alpha x + beta y. */
    public record Axpby(int n, float alpha, float beta, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "axpby";
        }

        @Override
        public double flops() {
            return 3.0 * n;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand x = f.input("x", dtype, Draw.normal(1), n);
            Operand y = beta == 0 ? f.output("y", DType.F32, n) : f.updated("y", DType.F32, Draw.normal(1), n);
            f.oracle(() -> {
                for (int i = 0; i < n; i++) {
                    double left = alpha * x.value(i);
                    double right = beta == 0 ? 0 : beta * y.value(i);
                    y.expect(i, left + right, Sum.EPS * (Math.abs(left) + Math.abs(right)));
                }
            });
            return () -> f.ops().elementwise().axpby(y.tensor(), x.tensor(), alpha, beta);
        }
    }

    /** y = x + alpha row. */
    public record AddRow(int rows, int cols, float alpha, DType dtype, boolean alias) implements OpCase {
        @Override
        public String operation() {
            return "add_row";
        }

        @Override
        public double flops() {
            return 2.0 * rows * cols;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand x = alias ? f.updated("x", dtype, Draw.normal(1), rows, cols) : f.input("x", dtype, Draw.normal(1), rows, cols);
            Operand row = f.input("row", DType.F32, Draw.normal(1), cols);
            Operand y = alias ? x : f.output("y", DType.F32, rows, cols);
            f.oracle(() -> {
                for (int i = 0; i < rows * cols; i++) {
                    double right = alpha * row.value(i % cols);
                    y.expect(i, x.value(i) + right, Sum.EPS * (Math.abs(x.value(i)) + Math.abs(right)));
                }
            });
            return () -> f.ops().elementwise().addRow(y.tensor(), x.tensor(), row.tensor(), alpha);
        }
    }

    /** y [n, cols] = x [rows[i], :]. */
    public record GatherRows(int n, int rows, int cols, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "gather_rows";
        }

        @Override
        public double flops() {
            return 0;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand x = f.input("x", dtype, Draw.normal(1), rows, cols).touching((long) n * cols);
            Operand index = f.input("rows", DType.I32, Draw.ints(0, rows), n);
            Operand y = f.output("y", dtype, n, cols);
            f.oracle(() -> {
                for (int i = 0; i < n * cols; i++) {
                    y.expectExactly(i, x.value((int) index.value(i / cols) * cols + i % cols));
                }
            });
            return () -> f.ops().elementwise().gatherRows(y.tensor(), x.tensor(), index.tensor());
        }
    }

    /** The sum of squares of each of several tensors. */
    public record SumOfSquares(List<Integer> sizes) implements OpCase {
        @Override
        public String operation() {
            return "sum_of_squares";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return 2.0 * sizes.stream().mapToInt(n -> n).sum();
        }

        @Override
        public Runnable prepare(Fixture f) {
            List<Operand> tensors = sizes.stream().map(n -> f.input("tensor", DType.F32, Draw.normal(3), n)).toList();
            List<Tensor> arguments = tensors.stream().map(Operand::tensor).toList();
            List<double[]> got = new ArrayList<>();
            f.oracle(() -> {
                for (int t = 0; t < tensors.size(); t++) {
                    Sum sum = new Sum();
                    for (double value : tensors.get(t).values()) {
                        sum.add(value * value);
                    }
                    f.compare("sum " + t, got.getFirst()[t], sum.value(), 4 * sum.error());
                }
            });
            return () -> {
                got.add(f.ops().elementwise().sumOfSquares(arguments));
                for (int t = 0; t < tensors.size(); t++) {
                    f.compare("second call", got.getLast()[t], got.getFirst()[t], 0);
                }
            };
        }
    }

    /** How many elements are NaN or infinite. */
    public record CountNonfinite(int n, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "count_nonfinite";
        }

        @Override
        public double flops() {
            return 0;
        }

        @Override
        public Runnable prepare(Fixture f) {
            double[] bad = {Double.NaN, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY};
            // 60000 is finite in every type, and a sum of many of them is not.
            Draw draw = (random, i) -> random.nextInt(5) == 0 ? bad[random.nextInt(3)] : random.nextInt(9) == 0 ? 60000
                : random.nextGaussian();
            Operand x = f.input("x", dtype, draw, n);
            long[] got = new long[1];
            f.oracle(() -> {
                long expected = 0;
                for (double value : x.values()) {
                    expected += Double.isFinite(value) ? 0 : 1;
                }
                f.compare("count", got[0], expected, 0);
            });
            return () -> got[0] = f.ops().elementwise().countNonfinite(x.tensor());
        }
    }
}
