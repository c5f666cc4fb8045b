package io.sails4j.conformance;

import io.sails4j.ops.LowRank;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/** Low-rank adapters (arXiv:2106.09685 eq. 3). */
public final class LoraCases {
    /** Which factor is zero, so that the base model must come out unchanged. */
    public enum Zero { NONE, A, B }

    private LoraCases() {
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (int[] s : new int[][] {{0, 8, 6, 2}, {1, 1, 1, 1}, {3, 17, 33, 4}, {7, 64, 48, 16}, {19, 131, 65, 5}, {65, 33, 129, 8},
            {6, 63, 64, 63}, {5, 128, 127, 65}, {4, 9, 7, 0}, {300, 272, 260, 16}, {37, 600, 515, 20}}) {
            for (DType y : ElementwiseCases.FLOATS) {
                for (DType x : ElementwiseCases.FLOATS) {
                    cases.add(new Forward(s[0], s[1], s[2], s[3], 2, Zero.NONE, y, x));
                    cases.add(new Backward(s[0], s[1], s[2], s[3], 2, s[0] % 2 == 1, y, x));
                }
            }
        }
        // More than a launch takes.
        List<Integer> many = IntStream.range(0, 35).mapToObj(i -> i % 5).toList();
        for (DType y : ElementwiseCases.FLOATS) {
            for (DType x : ElementwiseCases.FLOATS) {
                cases.add(new Rows(0, 8, 6, List.of(2), List.of(), y, x));
                cases.add(new Rows(2, 5, 3, List.of(), List.of(-1, -1), y, x));
                cases.add(new Rows(7, 131, 130, List.of(16, 3, 0), List.of(1, -1, 0, 0, 2, 1, -1), y, x));
                cases.add(new Rows(5, 64, 129, many, List.of(34, 0, 31, 32, -1), y, x));
            }
        }
        cases.add(new Forward(5, 17, 19, 3, 2, Zero.A, DType.F32, DType.F32));
        cases.add(new Forward(5, 17, 19, 3, 2, Zero.B, DType.F32, DType.F32));
        return cases;
    }

    /** sum_l a[row, l] * b[column, l]. */
    static Sum dot(double[] a, int row, double[] b, int column, int length) {
        Sum sum = new Sum();
        for (int l = 0; l < length; l++) {
            sum.add(a[row * length + l] * b[column * length + l]);
        }
        return sum;
    }

    /** y += scale h lora_B^T, h = x lora_A^T; with {@code zero} one of the two is 0 and y must keep its bits. */
    public record Forward(int n, int dIn, int dOut, int r, float scale, Zero zero, DType y, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "lora_forward";
        }

        @Override
        public double flops() {
            return 2.0 * n * r * (dIn + dOut);
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand x = f.input("x", dtype, Draw.normal(1), n, dIn);
            Operand loraA = f.input("lora_a", DType.F32, Draw.normal(zero == Zero.A ? 0 : 1), r, dIn);
            Operand loraB = f.input("lora_b", DType.F32, Draw.normal(zero == Zero.B ? 0 : 1), dOut, r);
            Operand out = f.updated("y", y, Draw.normal(1), n, dOut);
            Operand h = f.output("h", DType.F32, n, r);
            f.oracle(() -> expect(x, loraA, loraB, out, h));
            return () -> f.ops().linear().loraForward(out.tensor(), h.tensor(), x.tensor(), loraA.tensor(), loraB.tensor(), scale);
        }

        private void expect(Operand x, Operand loraA, Operand loraB, Operand out, Operand h) {
            for (int t = 0; t < n; t++) {
                Sum[] hidden = new Sum[r];
                for (int l = 0; l < r; l++) {
                    hidden[l] = dot(x.values(), t, loraA.values(), l, dIn);
                    h.expect(t * r + l, hidden[l].value(), hidden[l].error());
                }
                for (int o = 0; o < dOut; o++) {
                    Sum sum = new Sum();
                    sum.add(out.value(t * dOut + o));
                    for (int l = 0; l < r; l++) {
                        double b = scale * loraB.value(o * r + l);
                        sum.add(hidden[l].value() * b, hidden[l].error() * Math.abs(b));
                    }
                    if (zero == Zero.NONE) {
                        out.expect(t * dOut + o, sum.value(), sum.error());
                    } else {
                        out.expectExactly(t * dOut + o, out.value(t * dOut + o));
                    }
                }
            }
        }
    }

    /** Rows with adapters of their own, -1: none; an adapter of rank 0 adds nothing. */
    public record Rows(int n, int dIn, int dOut, List<Integer> ranks, List<Integer> rowAdapter, DType y, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "lora_rows_forward";
        }

        @Override
        public double flops() {
            double ranksOfRows = 0;
            for (int i : rowAdapter) {
                ranksOfRows += i < 0 ? 0 : ranks.get(i);
            }
            return 2 * ranksOfRows * (dIn + dOut);
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand x = f.input("x", dtype, Draw.normal(1), n, dIn);
            Operand out = f.updated("y", y, Draw.normal(1), n, dOut);
            Operand rows = f.input("row_adapter", DType.I32, (_, i) -> rowAdapter.get(i), n);
            List<Operand> as = new ArrayList<>();
            List<Operand> bs = new ArrayList<>();
            List<LowRank> adapters = new ArrayList<>();
            for (int i = 0; i < ranks.size(); i++) {
                as.add(f.input("lora_a" + i, DType.F32, Draw.normal(1), ranks.get(i), dIn));
                bs.add(f.input("lora_b" + i, DType.F32, Draw.normal(1), dOut, ranks.get(i)));
                adapters.add(ranks.get(i) == 0 ? LowRank.none() : new LowRank(as.get(i).tensor(), bs.get(i).tensor(), 0.5f + i));
            }
            f.oracle(() -> {
                for (int t = 0; t < n; t++) {
                    int i = rowAdapter.get(t);
                    if (i < 0 || ranks.get(i) == 0) {
                        for (int o = 0; o < dOut; o++) {
                            out.expectExactly(t * dOut + o, out.value(t * dOut + o));
                        }
                    } else {
                        expect(x, as.get(i), bs.get(i), out, t, ranks.get(i), 0.5f + i);
                    }
                }
            });
            return () -> f.ops().linear().loraRowsForward(out.tensor(), x.tensor(), rows.tensor(), adapters);
        }

        private void expect(Operand x, Operand loraA, Operand loraB, Operand out, int t, int r, float scale) {
            Sum[] hidden = new Sum[r];
            for (int l = 0; l < r; l++) {
                hidden[l] = dot(x.values(), t, loraA.values(), l, dIn);
            }
            for (int o = 0; o < dOut; o++) {
                Sum sum = new Sum();
                sum.add(out.value(t * dOut + o));
                for (int l = 0; l < r; l++) {
                    double b = scale * loraB.value(o * r + l);
                    sum.add(hidden[l].value() * b, hidden[l].error() * Math.abs(b));
                }
                out.expect(t * dOut + o, sum.value(), sum.error());
            }
        }
    }

    /** dx, dlora_A, dlora_B, all added to what was there. */
    public record Backward(int n, int dIn, int dOut, int r, float scale, boolean wantDx, DType dy, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "lora_backward";
        }

        @Override
        public double flops() {
            return 4.0 * n * r * (dIn + dOut);
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand x = f.input("x", dtype, Draw.normal(1), n, dIn);
            Operand gradient = f.input("dy", dy, Draw.normal(1), n, dOut);
            Operand h = f.input("h", DType.F32, Draw.normal(1), n, r);
            Operand loraA = f.input("lora_a", DType.F32, Draw.normal(1), r, dIn);
            Operand loraB = f.input("lora_b", DType.F32, Draw.normal(1), dOut, r);
            Operand dx = wantDx ? f.updated("dx", DType.F32, Draw.normal(1), n, dIn) : null;
            Operand da = f.updated("dlora_a", DType.F32, Draw.normal(1), r, dIn);
            Operand db = f.updated("dlora_b", DType.F32, Draw.normal(1), dOut, r);
            f.oracle(() -> {
                Sum[] expected = backward(gradient.values(), x.values(), h.values(), loraA.values(), loraB.values());
                int at = 0;
                for (int i = 0; i < n * dIn; i++, at++) {
                    if (dx != null) {
                        expect(dx, i, expected[at]);
                    }
                }
                for (int i = 0; i < r * dIn; i++, at++) {
                    expect(da, i, expected[at]);
                }
                for (int i = 0; i < dOut * r; i++, at++) {
                    expect(db, i, expected[at]);
                }
            });
            return () -> f.ops().linear().loraBackward(Fixture.tensorOrNull(dx), da.tensor(), db.tensor(), gradient.tensor(), x.tensor(),
                h.tensor(), loraA.tensor(), loraB.tensor(), scale);
        }

        private static void expect(Operand operand, int i, Sum sum) {
            sum.add(operand.value(i));
            operand.expect(i, sum.value(), sum.error());
        }

        /** dx, dlora_A and dlora_B one after the other. */
        Sum[] backward(double[] dy, double[] x, double[] h, double[] loraA, double[] loraB) {
            Sum[] out = new Sum[n * dIn + r * dIn + dOut * r];
            Arrays.setAll(out, i -> new Sum());
            for (int t = 0; t < n; t++) {
                for (int l = 0; l < r; l++) {
                    Sum dh = new Sum();
                    for (int o = 0; o < dOut; o++) {
                        dh.add(scale * dy[t * dOut + o] * loraB[o * r + l]);
                        out[n * dIn + r * dIn + o * r + l].add(scale * dy[t * dOut + o] * h[t * r + l]);
                    }
                    for (int i = 0; i < dIn; i++) {
                        out[t * dIn + i].add(dh.value() * loraA[l * dIn + i], dh.error() * Math.abs(loraA[l * dIn + i]));
                        out[n * dIn + l * dIn + i].add(dh.value() * x[t * dIn + i], dh.error() * Math.abs(x[t * dIn + i]));
                    }
                }
            }
            return out;
        }
    }
}
