package io.sails4j.conformance;

import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** Linear maps with everything that is added to their product. */
public final class LinearCases {
    /** Few rows, tiles of every size and their neighbours, long sums that a GPU splits, ranks of every tile width, no adapter. */
    private static final int[][] SHAPES = {{0, 8, 6, 2}, {1, 1, 1, 1}, {3, 17, 33, 4}, {8, 64, 48, 16}, {5, 1031, 40, 3}, {19, 131, 65, 5},
        {65, 33, 129, 8}, {257, 70, 130, 16}, {33, 1100, 24, 65}, {7, 9, 5, 0}, {66, 40, 24, 0}, {4, 0, 3, 2}, {1, 2304, 70, 16},
        {136, 72, 264, 16}, {72, 704, 128, 20}, {40, 64, 704, 3}};

    private LinearCases() {
    }

    /** Rows of whole vectors are aligned, for the variants that take bulk copies. */
    private static void align(Fixture f, int dIn, int dOut) {
        if (dIn % 8 == 0 && dOut % 8 == 0) {
            f.aligned();
        }
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (int i = 0; i < SHAPES.length; i++) {
            int[] s = SHAPES[i];
            for (DType[] types : new DType[][] {{DType.F32, DType.F32}, {DType.F32, DType.BF16}, {DType.BF16, DType.BF16}}) {
                cases.add(new Forward(s[0], s[1], s[2], s[3], i % 2 == 0, i % 3 != 0, i % 4 == 1, types[0], types[1]));
            }
            for (DType dtype : ElementwiseCases.FLOATS) {
                cases.add(new Backward(s[0], s[1], s[2], s[3], i % 2 == 0, i % 3 != 1, dtype));
            }
        }
        // Blocks that go in pairs, forward and backward, which only BF16 has.
        cases.add(new Forward(264, 136, 376, 20, false, true, false, DType.BF16, DType.BF16));
        cases.add(new Backward(264, 376, 136, 20, true, true, DType.BF16));
        return cases;
    }

    private static @Nullable Tensor tensor(@Nullable Operand operand) {
        return Fixture.tensorOrNull(operand);
    }

    /**
     * y = residual + bias + x W^T + scale h B^T.
     *
     * @param inPlace y is the residual
     */
    public record Forward(int n, int dIn, int dOut, int r, boolean bias, boolean residual, boolean inPlace, DType y, DType dtype)
        implements OpCase {
        private static final float SCALE = 0.75f;

        @Override
        public String operation() {
            return "linear_forward";
        }

        @Override
        public double flops() {
            return 2.0 * n * ((double) dIn * dOut + (double) r * (dIn + dOut));
        }

        @Override
        public Runnable prepare(Fixture f) {
            align(f, dIn, dOut);
            Operand x = f.input("x", dtype, Draw.normal(1), n, dIn);
            Operand weight = f.input("weight", dtype, Draw.normal(1), dOut, dIn);
            Operand biases = bias ? f.input("bias", DType.F32, Draw.normal(1), dOut) : null;
            boolean added = residual || inPlace;
            Operand out = inPlace ? f.updated("y", y, Draw.normal(1), n, dOut) : f.output("y", y, n, dOut);
            Operand old = inPlace ? out : residual ? f.input("residual", y, Draw.normal(1), n, dOut) : null;
            Operand loraA = r > 0 ? f.input("lora_a", DType.F32, Draw.normal(1), r, dIn) : null;
            Operand loraB = r > 0 ? f.input("lora_b", DType.F32, Draw.normal(1), dOut, r) : null;
            Operand h = r > 0 ? f.output("h", DType.F32, n, r) : null;
            f.oracle(() -> {
                for (int t = 0; t < n; t++) {
                    Sum[] hidden = new Sum[r];
                    for (int l = 0; l < r; l++) {
                        hidden[l] = LoraCases.dot(x.values(), t, needed(loraA).values(), l, dIn);
                        needed(h).expect(t * r + l, hidden[l].value(), hidden[l].error());
                    }
                    for (int o = 0; o < dOut; o++) {
                        Sum sum = LoraCases.dot(x.values(), t, weight.values(), o, dIn);
                        for (int l = 0; l < r; l++) {
                            double b = SCALE * needed(loraB).value(o * r + l);
                            sum.add(hidden[l].value() * b, hidden[l].error() * Math.abs(b));
                        }
                        sum.add(added ? needed(old).value(t * dOut + o) : 0);
                        sum.add(bias ? needed(biases).value(o) : 0);
                        out.expect(t * dOut + o, sum.value(), sum.error());
                    }
                }
            });
            return () -> f.ops().linear().linearForward(out.tensor(), tensor(h), x.tensor(), weight.tensor(), tensor(biases),
                inPlace ? out.tensor() : tensor(old), tensor(loraA), tensor(loraB), SCALE);
        }
    }

    /**
     * dx = [dx +] dy W + dh A, dA += dh^T x, dB += scale dy^T h.
     *
     * @param trained whether dA and dB are wanted
     */
    public record Backward(int n, int dIn, int dOut, int r, boolean accumulate, boolean trained, DType dtype) implements OpCase {
        private static final float SCALE = 2;

        @Override
        public String operation() {
            return "linear_backward";
        }

        @Override
        public double flops() {
            return 2.0 * n * ((double) dIn * dOut + 2.0 * r * (dIn + dOut));
        }

        @Override
        public Runnable prepare(Fixture f) {
            boolean adapter = r > 0;
            boolean gradients = adapter && trained;
            align(f, dIn, dOut);
            Operand dy = f.input("dy", dtype, Draw.normal(1), n, dOut);
            Operand weight = f.input("weight", dtype, Draw.normal(1), dOut, dIn);
            Operand loraA = adapter ? f.input("lora_a", DType.F32, Draw.normal(1), r, dIn) : null;
            Operand loraB = adapter ? f.input("lora_b", DType.F32, Draw.normal(1), dOut, r) : null;
            Operand x = gradients ? f.input("x", dtype, Draw.normal(1), n, dIn) : null;
            Operand h = gradients ? f.input("h", DType.F32, Draw.normal(1), n, r) : null;
            Operand dx = accumulate ? f.updated("dx", DType.F32, Draw.normal(1), n, dIn) : f.output("dx", DType.F32, n, dIn);
            Operand da = gradients ? f.updated("dlora_a", DType.F32, Draw.normal(1), r, dIn) : null;
            Operand db = gradients ? f.updated("dlora_b", DType.F32, Draw.normal(1), dOut, r) : null;
            f.oracle(() -> {
                Sum[] low = adapter ? lowRank(dy, x, h, needed(loraA), needed(loraB)) : new Sum[0];
                for (int t = 0; t < n; t++) {
                    for (int i = 0; i < dIn; i++) {
                        Sum sum = new Sum();
                        for (int o = 0; o < dOut; o++) {
                            sum.add(dy.value(t * dOut + o) * weight.value(o * dIn + i));
                        }
                        if (adapter) {
                            sum.add(low[t * dIn + i].value(), low[t * dIn + i].error());
                        }
                        sum.add(accumulate ? dx.value(t * dIn + i) : 0);
                        dx.expect(t * dIn + i, sum.value(), sum.error());
                    }
                }
                if (gradients) {
                    expect(needed(da), low, n * dIn);
                    expect(needed(db), low, n * dIn + r * dIn);
                }
            });
            return () -> f.ops().linear().linearBackward(dx.tensor(), tensor(da), tensor(db), dy.tensor(), tensor(x), weight.tensor(),
                tensor(h), tensor(loraA), tensor(loraB), SCALE, accumulate);
        }

        private Sum[] lowRank(Operand dy, @Nullable Operand x, @Nullable Operand h, Operand loraA, Operand loraB) {
            double[] zeroX = new double[n * dIn];
            double[] zeroH = new double[n * r];
            return new LoraCases.Backward(n, dIn, dOut, r, SCALE, true, dtype, dtype).backward(dy.values(), x == null ? zeroX : x.values(),
                h == null ? zeroH : h.values(), loraA.values(), loraB.values());
        }

        private static void expect(Operand operand, Sum[] sums, int first) {
            for (int i = 0; i < operand.values().length; i++) {
                Sum sum = sums[first + i];
                sum.add(operand.value(i));
                operand.expect(i, sum.value(), sum.error());
            }
        }
    }

    /** An operand that this case has. */
    private static Operand needed(@Nullable Operand operand) {
        return Objects.requireNonNull(operand);
    }
}
