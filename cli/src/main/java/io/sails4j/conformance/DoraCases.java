package io.sails4j.conformance;

import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;

/** DoRA (arXiv:2402.09353): norms of adapted rows, columns times their gain, and back. */
public final class DoraCases {
    private DoraCases() {
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (DType type : ElementwiseCases.FLOATS) {
            for (int[] s : new int[][] {{0, 5, 2}, {1, 1, 1}, {7, 17, 3}, {8, 256, 16}, {9, 257, 65}, {33, 511, 64}, {5, 31, 0},
                {16, 1000, 130}}) {
                cases.add(new Norm(s[0], s[1], s[2], type));
            }
            for (int[] s : new int[][] {{0, 5}, {1, 1}, {3, 17}, {7, 64}, {65, 129}, {13, 33}, {300, 31}}) {
                cases.add(new Forward(s[0], s[1], false, type));
                cases.add(new Backward(s[0], s[1], true, false, type));
            }
            cases.add(new Backward(9, 65, false, false, type));
            cases.add(new Backward(9, 65, true, true, type));
        }
        cases.add(new Forward(9, 65, true, DType.F32));
        return cases;
    }

    /** norm[i] = |weight[i] + scale lora_b[i] lora_a|. */
    public record Norm(int dOut, int dIn, int r, DType dtype) implements OpCase {
        private static final float SCALE = 0.75f;

        @Override
        public String operation() {
            return "dora_norm";
        }

        @Override
        public double flops() {
            return (double) dOut * dIn * (2 * r + 4);
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand weight = f.input("weight", dtype, Draw.normal(0.3), dOut, dIn);
            Operand a = f.input("lora_a", DType.F32, Draw.normal(1), r, dIn);
            Operand b = f.input("lora_b", DType.F32, Draw.normal(0.2), dOut, r);
            Operand norm = f.output("norm", DType.F32, dOut);
            f.oracle(() -> {
                for (int i = 0; i < dOut; i++) {
                    Sum squares = new Sum();
                    for (int j = 0; j < dIn; j++) {
                        Sum value = new Sum();
                        for (int k = 0; k < r; k++) {
                            value.add(SCALE * b.value(i * r + k) * a.value(k * dIn + j));
                        }
                        value.add(weight.value(i * dIn + j));
                        squares.add(value.value() * value.value(),
                            2 * Math.abs(value.value()) * value.error() + value.error() * value.error());
                    }
                    double length = Math.sqrt(squares.value());
                    norm.expect(i, length, length == 0 ? Math.sqrt(squares.error()) : squares.error() / (2 * length) + Sum.EPS * length);
                }
            });
            return () -> f.ops().linear().doraNorm(norm.tensor(), weight.tensor(), a.tensor(), b.tensor(), SCALE);
        }
    }

    /** y = u magnitude / norm by columns. */
    public record Forward(int n, int dOut, boolean alias, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "dora_forward";
        }

        @Override
        public double flops() {
            return (double) n * dOut;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand u = alias ? f.updated("u", DType.F32, Draw.normal(1), n, dOut) : f.input("u", DType.F32, Draw.normal(1), n, dOut);
            Operand magnitude = f.input("magnitude", DType.F32, Draw.normal(1), dOut);
            Operand norm = f.input("norm", DType.F32, Draw.uniform(0.5, 2), dOut);
            Operand y = alias ? u : f.output("y", dtype, n, dOut);
            f.oracle(() -> {
                for (int i = 0; i < n * dOut; i++) {
                    double value = u.value(i) * magnitude.value(i % dOut) / norm.value(i % dOut);
                    y.expect(i, value, 2 * Sum.EPS * Math.abs(value));
                }
            });
            return () -> f.ops().linear().doraForward(y.tensor(), u.tensor(), magnitude.tensor(), norm.tensor());
        }
    }

    /** du = dy magnitude / norm, dmagnitude += sum of dy u / norm. */
    public record Backward(int n, int dOut, boolean trained, boolean alias, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "dora_backward";
        }

        @Override
        public double flops() {
            return 3.0 * n * dOut;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand dy = alias ? f.updated("dy", dtype, Draw.normal(1), n, dOut) : f.input("dy", dtype, Draw.normal(1), n, dOut);
            Operand u = f.input("u", DType.F32, Draw.normal(1), n, dOut);
            Operand magnitude = f.input("magnitude", DType.F32, Draw.normal(1), dOut);
            Operand norm = f.input("norm", DType.F32, Draw.uniform(0.5, 2), dOut);
            Operand du = alias ? dy : f.output("du", dtype, n, dOut);
            Operand dmagnitude = trained ? f.updated("dmagnitude", DType.F32, Draw.normal(1), dOut) : null;
            f.oracle(() -> {
                for (int j = 0; j < dOut; j++) {
                    Sum sum = new Sum();
                    for (int i = j; i < n * dOut; i += dOut) {
                        double value = dy.value(i) * magnitude.value(j) / norm.value(j);
                        du.expect(i, value, 2 * Sum.EPS * Math.abs(value));
                        sum.add(dy.value(i) * u.value(i));
                    }
                    if (dmagnitude != null) {
                        double before = dmagnitude.value(j);
                        double added = sum.value() / norm.value(j);
                        dmagnitude.expect(j, before + added,
                            sum.error() / norm.value(j) + Sum.EPS * (Math.abs(before) + 2 * Math.abs(added)));
                    }
                }
            });
            return () -> f.ops().linear().doraBackward(du.tensor(), Fixture.tensorOrNull(dmagnitude), dy.tensor(), u.tensor(),
                magnitude.tensor(), norm.tensor());
        }
    }
}
