package io.sails4j.conformance;

import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Weights of 8 and 4 bits: packing and widening them, and linear maps that have them. */
public final class QuantizedCases {
    static final List<DType> PACKED = List.of(DType.Q8, DType.Q4);
    private static final float SCALE = 0.75f;
    /** Up to so many rows are multiplied by the codes. */
    private static final int FEW_ROWS = 8;

    private QuantizedCases() {
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (DType packed : PACKED) {
            // One column, a group and its neighbours, several groups and a rest.
            for (int[] s : new int[][] {{0, 5}, {3, 0}, {1, 1}, {2, 31}, {3, 32}, {2, 33}, {17, 200}, {5, 1031}}) {
                for (DType dtype : ElementwiseCases.FLOATS) {
                    cases.add(new Quantize(s[0], s[1], false, dtype, packed));
                    cases.add(new Quantize(s[0], s[1], true, dtype, packed));
                    cases.add(new Dequantize(s[0], s[1], dtype, packed));
                }
                cases.add(new Embedding(s[0] * 2, 7, s[1], s[0] % 2 == 0 ? DType.F32 : DType.BF16, packed));
            }
            // Around the rows that codes are multiplied for, blocks of the weight, ranks and none.
            int[][] maps = {{0, 8, 6, 2}, {1, 1, 1, 1}, {1, 2304, 70, 16}, {3, 33, 17, 0}, {8, 64, 48, 4}, {9, 40, 31, 0}, {19, 131, 65, 5},
                {4, 0, 3, 2}, {12, 70, 1100, 3}};
            for (int[] s : maps) {
                for (DType[] types : new DType[][] {{DType.F32, DType.F32}, {DType.F32, DType.BF16}, {DType.BF16, DType.BF16}}) {
                    cases.add(new Forward(s[0], s[1], s[2], s[3], types[0], types[1], packed));
                }
                for (DType dtype : ElementwiseCases.FLOATS) {
                    cases.add(new Backward(s[0], s[1], s[2], s[3], s[0] % 2 == 0, dtype, packed));
                }
            }
        }
        return cases;
    }

    /** What rounding a weight to the type of its input is off at most, as a share. */
    private static double rounding(DType dtype) {
        return dtype == DType.BF16 ? 0x1p-8 : 0;
    }

    /**
     * y = the codes of x.
     *
     * @param weighted whether columns count differently
     */
    public record Quantize(int rows, int cols, boolean weighted, DType dtype, DType packed) implements OpCase {
        @Override
        public String operation() {
            return "quantize";
        }

        @Override
        public double flops() {
            return (weighted ? 200.0 : 3.0) * rows * cols;
        }

        @Override
        public Runnable prepare(Fixture f) {
            f.aligned();
            Operand x = f.input("x", dtype, Draw.normal(0.02), rows, cols);
            Operand importance = weighted ? f.input("importance", DType.F32, Draw.uniform(0, 2), cols) : null;
            PackedMatrix y = PackedMatrix.written(f, "y", packed, rows, cols);
            f.oracle(() -> {
                double[] found = y.download();
                double[] words = y.words().download();
                for (int i = 0; i < words.length; i++) {
                    y.words().expect(i, words[i], 0);
                }
                for (int row = 0; row < rows; row++) {
                    for (int from = 0; from < cols; from += DType.GROUP) {
                        check(f, x, importance, found, row, from, Math.min(DType.GROUP, cols - from));
                    }
                }
            });
            return () -> f.ops().quantized().quantize(y.tensor(), x.tensor(), Fixture.tensorOrNull(importance));
        }

        /** The nearest codes of the stated scale, in double; a weighted error no larger than theirs. */
        private void check(Fixture f, Operand x, @Nullable Operand importance, double[] found, int row, int from, int n) {
            double extreme = 0;
            for (int j = 0; j < n; j++) {
                double value = x.value(row * cols + from + j);
                extreme = Math.abs(value) > Math.abs(extreme) ? value : extreme;
            }
            double scale = packed == DType.Q8 ? roundedUp((float) Math.abs(extreme) / 127f)
                : Codec.round((float) extreme / -8f, DType.BF16);
            double error = 0;
            double theirs = 0;
            for (int j = 0; j < n; j++) {
                int at = row * cols + from + j;
                double quotient = (float) x.value(at) * (1 / (float) scale);
                double nearest = scale == 0 ? 0
                    : scale * Math.rint(packed == DType.Q8 ? Math.clamp(quotient, -127, 127) : Math.clamp(quotient, -8, 7));
                if (importance == null) {
                    f.compare("y", found[at], nearest, 0);
                    continue;
                }
                error += importance.value(from + j) * Math.pow(x.value(at) - nearest, 2);
                theirs += importance.value(from + j) * Math.pow(x.value(at) - found[at], 2);
            }
            // Both sums were rounded where they were compared.
            f.compare("the weighted error above that of the nearest codes", Math.max(0, theirs - error), 0, 1e-4 * error + 1e-20);
        }

        private static double roundedUp(float value) {
            return Float.intBitsToFloat(Float.floatToRawIntBits(value) + 0xffff & 0xffff0000);
        }
    }

    /** y = x. */
    public record Dequantize(int rows, int cols, DType dtype, DType packed) implements OpCase {
        @Override
        public String operation() {
            return "dequantize";
        }

        @Override
        public double flops() {
            return (double) rows * cols;
        }

        @Override
        public Runnable prepare(Fixture f) {
            f.aligned();
            PackedMatrix x = PackedMatrix.drawn(f, "x", packed, rows, cols);
            Operand y = f.output("y", dtype, rows, cols);
            f.oracle(() -> {
                double[] values = x.values();
                for (int i = 0; i < values.length; i++) {
                    y.expectExactly(i, values[i]);
                }
            });
            return () -> f.ops().quantized().dequantize(y.tensor(), x.tensor());
        }
    }

    /** y = rows of a packed table. */
    public record Embedding(int tokens, int vocab, int dModel, DType dtype, DType packed) implements OpCase {
        @Override
        public String operation() {
            return "embedding_forward";
        }

        @Override
        public double flops() {
            return (double) tokens * dModel;
        }

        @Override
        public Runnable prepare(Fixture f) {
            f.aligned();
            Operand ids = f.input("ids", DType.I32, Draw.ints(0, vocab), tokens);
            PackedMatrix table = PackedMatrix.drawn(f, "table", packed, vocab, dModel);
            Operand y = f.output("y", dtype, tokens, dModel);
            f.oracle(() -> {
                double[] values = table.values();
                for (int i = 0; i < tokens * dModel; i++) {
                    double value = values[(int) ids.value(i / dModel) * dModel + i % dModel] * 8.5;
                    y.expect(i, value, Sum.EPS * Math.abs(value));
                }
            });
            return () -> f.ops().block().embeddingForward(y.tensor(), ids.tensor(), table.tensor(), 8.5f);
        }
    }

    /** y = x W^T + scale h B^T. */
    public record Forward(int n, int dIn, int dOut, int r, DType y, DType dtype, DType packed) implements OpCase {
        @Override
        public String operation() {
            return "quantized_linear_forward";
        }

        @Override
        public double flops() {
            return 2.0 * n * ((double) dIn * dOut + (double) r * (dIn + dOut));
        }

        @Override
        public Runnable prepare(Fixture f) {
            f.aligned();
            Operand x = f.input("x", dtype, Draw.normal(1), n, dIn);
            PackedMatrix weight = PackedMatrix.drawn(f, "weight", packed, dOut, dIn);
            Operand out = f.output("y", y, n, dOut);
            Operand loraA = r > 0 ? f.input("lora_a", DType.F32, Draw.normal(1), r, dIn) : null;
            Operand loraB = r > 0 ? f.input("lora_b", DType.F32, Draw.normal(1), dOut, r) : null;
            Operand h = r > 0 ? f.output("h", DType.F32, n, r) : null;
            f.oracle(() -> {
                double[] values = weight.values();
                double[] rounding = roundingOfRows(x);
                for (int t = 0; t < n; t++) {
                    for (int o = 0; o < dOut; o++) {
                        Sum sum = new Sum();
                        for (int i = 0; i < dIn; i++) {
                            double product = x.value(t * dIn + i) * values[o * dIn + i];
                            sum.add(product, n <= FEW_ROWS ? rounding[t * dIn + i] * Math.abs(values[o * dIn + i])
                                : rounding(dtype) * Math.abs(product));
                        }
                        if (loraA != null && loraB != null && h != null) {
                            addLowRank(sum, x, loraA, loraB, h, t, o);
                        }
                        out.expect(t * dOut + o, sum.value(), sum.error());
                    }
                }
            });
            return () -> f.ops().quantized().quantizedLinearForward(out.tensor(), Fixture.tensorOrNull(h), x.tensor(), weight.tensor(),
                Fixture.tensorOrNull(loraA), Fixture.tensorOrNull(loraB), SCALE);
        }

        /** What rounding x to 16 bits may do to it: half a step of the group's largest over 32767. */
        private double[] roundingOfRows(Operand x) {
            double[] off = new double[n * dIn];
            for (int t = 0; t < n; t++) {
                for (int from = 0; from < dIn; from += DType.GROUP) {
                    int end = Math.min(dIn, from + DType.GROUP);
                    double largest = 0;
                    for (int i = from; i < end; i++) {
                        largest = Math.max(largest, Math.abs(x.value(t * dIn + i)));
                    }
                    Arrays.fill(off, t * dIn + from, t * dIn + end, 0x1p-16 * largest);
                }
            }
            return off;
        }

        private void addLowRank(Sum sum, Operand x, Operand loraA, Operand loraB, Operand h, int t, int o) {
            for (int l = 0; l < r; l++) {
                Sum hidden = LoraCases.dot(x.values(), t, loraA.values(), l, dIn);
                h.expect(t * r + l, hidden.value(), hidden.error());
                double b = SCALE * loraB.value(o * r + l);
                sum.add(hidden.value() * b, hidden.error() * Math.abs(b));
            }
        }
    }

    /** dx = [dx +] dy W + dh A, dA += dh^T x, dB += scale dy^T h. */
    public record Backward(int n, int dIn, int dOut, int r, boolean accumulate, DType dtype, DType packed) implements OpCase {
        @Override
        public String operation() {
            return "quantized_linear_backward";
        }

        @Override
        public double flops() {
            return 2.0 * n * ((double) dIn * dOut + 2.0 * r * (dIn + dOut));
        }

        @Override
        public Runnable prepare(Fixture f) {
            f.aligned();
            boolean adapter = r > 0;
            Operand dy = f.input("dy", dtype, Draw.normal(1), n, dOut);
            PackedMatrix weight = PackedMatrix.drawn(f, "weight", packed, dOut, dIn);
            Operand dx = accumulate ? f.updated("dx", DType.F32, Draw.normal(1), n, dIn) : f.output("dx", DType.F32, n, dIn);
            Operand loraA = adapter ? f.input("lora_a", DType.F32, Draw.normal(1), r, dIn) : null;
            Operand loraB = adapter ? f.input("lora_b", DType.F32, Draw.normal(1), dOut, r) : null;
            Operand x = adapter ? f.input("x", dtype, Draw.normal(1), n, dIn) : null;
            Operand h = adapter ? f.input("h", DType.F32, Draw.normal(1), n, r) : null;
            Operand da = adapter ? f.updated("dlora_a", DType.F32, Draw.normal(1), r, dIn) : null;
            Operand db = adapter ? f.updated("dlora_b", DType.F32, Draw.normal(1), dOut, r) : null;
            f.oracle(() -> {
                Sum[] low = x == null || h == null || loraA == null || loraB == null ? new Sum[0]
                    : new LoraCases.Backward(n, dIn, dOut, r, SCALE, true, dtype, dtype).backward(dy.values(), x.values(), h.values(),
                        loraA.values(), loraB.values());
                double[] values = weight.values();
                for (int at = 0; at < n * dIn; at++) {
                    Sum sum = new Sum();
                    for (int o = 0; o < dOut; o++) {
                        double product = dy.value(at / dIn * dOut + o) * values[o * dIn + at % dIn];
                        sum.add(product, rounding(dtype) * Math.abs(product));
                    }
                    if (adapter) {
                        sum.add(low[at].value(), low[at].error());
                    }
                    sum.add(accumulate ? dx.value(at) : 0);
                    dx.expect(at, sum.value(), sum.error());
                }
                if (da != null && db != null) {
                    expect(da, low, n * dIn);
                    expect(db, low, n * dIn + r * dIn);
                }
            });
            return () -> f.ops().quantized().quantizedLinearBackward(dx.tensor(), Fixture.tensorOrNull(da), Fixture.tensorOrNull(db),
                dy.tensor(),
                Fixture.tensorOrNull(x), weight.tensor(), Fixture.tensorOrNull(h), Fixture.tensorOrNull(loraA),
                Fixture.tensorOrNull(loraB), SCALE, accumulate);
        }

        private static void expect(Operand operand, Sum[] sums, int first) {
            for (int i = 0; i < operand.values().length; i++) {
                Sum sum = sums[first + i];
                sum.add(operand.value(i));
                operand.expect(i, sum.value(), sum.error());
            }
        }
    }
}
