package io.sails4j.conformance;

import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;

/** Rotary position embedding, half-split. */
public final class RopeCases {
    private RopeCases() {
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (int[] s : new int[][] {{0, 2, 8}, {1, 1, 2}, {3, 2, 6}, {7, 3, 34}, {5, 4, 64}, {2, 1, 256}}) {
            cases.add(new Table(s[0], s[2], 10000));
            for (DType type : ElementwiseCases.FLOATS) {
                cases.add(new Rotate(s[0], s[1], s[2], false, false, type));
                cases.add(new Rotate(s[0], s[1], s[2], true, s[0] % 2 == 1, type));
                cases.add(new KeepsNorms(s[0], s[1], s[2], type));
            }
        }
        cases.add(new Table(11, 20, 1000));
        return cases;
    }

    static double angle(double position, int j, int headDim, double theta) {
        return position * Math.pow(theta, -2.0 * j / headDim);
    }

    /** theta^(-2j / head_dim), [head_dim / 2] F64. */
    static Operand invFreq(Fixture f, int headDim, double theta) {
        return f.input("inv_freq", DType.F64, (random, j) -> angle(1, j, headDim, theta), headDim / 2);
    }

    private static Operand table(Fixture f, int tokens, int headDim) {
        return f.input("table", DType.F32, (random, i) -> {
            double angle = angle(i / headDim * 3 + 1, i % headDim / 2, headDim, 10000);
            return i % 2 == 0 ? Math.cos(angle) : Math.sin(angle);
        }, tokens, headDim / 2, 2);
    }

    /** cos and sin of positions * inv_freq, computed in double: the nearest float, or the next where double rounds too. */
    public record Table(int tokens, int headDim, double theta) implements OpCase {
        @Override
        public String operation() {
            return "rope_table";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return (double) tokens * headDim;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand positions = f.input("positions", DType.I32, Draw.ints(0, 8192), tokens);
            Operand invFreq = invFreq(f, headDim, theta);
            Operand table = f.output("table", DType.F32, tokens, headDim / 2, 2);
            f.oracle(() -> {
                for (int i = 0; i < tokens * headDim; i++) {
                    double angle = positions.value(i / headDim) * invFreq.value(i % headDim / 2);
                    table.expect(i, i % 2 == 0 ? Math.cos(angle) : Math.sin(angle), 0x1p-51 * Math.abs(angle));
                }
            });
            return () -> f.ops().block().ropeTable(table.tensor(), positions.tensor(), invFreq.tensor());
        }
    }

    /** (a, b) -> (a cos - b sin, b cos + a sin), or back. */
    public record Rotate(int tokens, int heads, int headDim, boolean inverse, boolean alias, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "rope";
        }

        @Override
        public double flops() {
            return 3.0 * tokens * heads * headDim;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Draw draw = Draw.normal(1);
            Operand x = alias ? f.updated("x", dtype, draw, tokens, heads, headDim) : f.input("x", dtype, draw, tokens, heads, headDim);
            Operand table = table(f, tokens, headDim);
            Operand y = alias ? x : f.output("y", dtype, tokens, heads, headDim);
            f.oracle(() -> {
                int half = headDim / 2;
                for (int i = 0; i < tokens * heads * headDim; i++) {
                    int j = i % headDim;
                    int at = (i / headDim / heads * half + j % half) * 2;
                    double cos = x.value(i) * table.value(at);
                    double sin = (j < half ? -x.value(i + half) : x.value(i - half)) * table.value(at + 1) * (inverse ? -1 : 1);
                    y.expect(i, cos + sin, Sum.EPS * (Math.abs(cos) + Math.abs(sin)));
                }
            });
            return () -> f.ops().block().rope(y.tensor(), x.tensor(), table.tensor(), inverse);
        }
    }

    /** A rotation keeps the length of every head, and turning back gives the input. */
    public record KeepsNorms(int tokens, int heads, int headDim, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "rope";
        }

        @Override
        public double flops() {
            return 6.0 * tokens * heads * headDim;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand x = f.input("x", dtype, Draw.normal(1), tokens, heads, headDim);
            Operand table = table(f, tokens, headDim);
            Operand y = f.intermediate("y", dtype, tokens, heads, headDim);
            Operand back = f.output("back", dtype, tokens, heads, headDim);
            double unit = Codec.unitRoundoff(dtype);
            f.oracle(() -> {
                double[] turned = y.download();
                for (int head = 0; head < tokens * heads; head++) {
                    double before = 0;
                    double after = 0;
                    for (int i = head * headDim; i < (head + 1) * headDim; i++) {
                        before += x.value(i) * x.value(i);
                        after += turned[i] * turned[i];
                        int pair = i % headDim < headDim / 2 ? i + headDim / 2 : i - headDim / 2;
                        back.expect(i, x.value(i), 2 * (unit + Sum.EPS) * (Math.abs(x.value(i)) + Math.abs(x.value(pair))));
                    }
                    f.compare("norm", Math.sqrt(after), Math.sqrt(before), 4 * (unit + Sum.EPS) * Math.sqrt(before));
                }
            });
            return () -> {
                f.ops().block().rope(y.tensor(), x.tensor(), table.tensor(), false);
                f.ops().block().rope(back.tensor(), y.tensor(), table.tensor(), true);
            };
        }
    }
}
