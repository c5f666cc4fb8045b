package io.sails4j.conformance;

import io.sails4j.ops.AttentionShape;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;

/** The operations around the maps of a decoding step: residual and norms, the key/value cache, attention over it, counting. */
public final class DecodeCases {
    private DecodeCases() {
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (DType type : ElementwiseCases.FLOATS) {
            // Around what a block keeps in registers: 4096 elements, 8192 with twice the threads.
            for (int[] s : new int[][] {{0, 8}, {1, 1}, {3, 17}, {1, 2304}, {2, 4100}, {1, 8200}}) {
                cases.add(new ResidualNorm(s[0], s[1], true, s[1] % 2 == 1, 1, type));
                cases.add(new ResidualNorm(s[0], s[1], false, false, 0, type));
            }
            for (int[] s : new int[][] {{0, 4, 2, 1, 8, 0}, {1, 1, 1, 1, 2, 0}, {3, 7, 4, 2, 18, 5}, {2, 40, 3, 3, 64, 39},
                {1, 300, 8, 4, 256, 299}}) {
                cases.add(new RopeAppend(s[0], s[1], s[2], s[3], s[4], s[5], type));
            }
            attention(cases, type);
        }
        cases.add(new Advance(0, 3, 1));
        cases.add(new Advance(1, 1, 0));
        cases.add(new Advance(300, 4, 3));
        cases.add(new Advance(5, 4, 4));
        return cases;
    }

    private static void attention(List<OpCase> cases, DType type) {
        // batch, capacity, heads, key/value heads, head_dim, position, window
        int[][] shapes = {{0, 8, 2, 1, 8, 3, 0}, {1, 1, 1, 1, 2, 0, 0}, {2, 40, 4, 2, 64, 24, 0}, {1, 300, 8, 4, 256, 299, 0},
            {1, 300, 8, 4, 256, 0, 0},
            {1, 700, 2, 1, 256, 411, 130}, {3, 700, 3, 1, 20, 650, 0}, {1, 1100, 2, 2, 16, 1030, 64}, {1, 513, 4, 1, 128, 63, 0},
            {1, 520, 4, 1, 128, 64, 0}, {2, 90, 6, 1, 300, 80, 33}};
        for (int[] s : shapes) {
            cases.add(new Attention(s[0], s[1], s[2], s[3], s[4], s[5], s[6], s[4] % 3 == 0 ? 0 : 50, type));
        }
    }

    /** out = residual + norm(x) or residual + x; y = norm(out). */
    public record ResidualNorm(int rows, int d, boolean postNorm, boolean inPlace, float offset, DType dtype) implements OpCase {
        private static final float EPS = 1e-6f;

        @Override
        public String operation() {
            return "residual_norm_forward";
        }

        @Override
        public double flops() {
            return 10.0 * rows * d;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand x = f.input("x", DType.F32, Draw.normal(2), rows, d);
            Operand xWeight = postNorm ? f.input("x_weight", DType.F32, Draw.normal(0.5), d) : null;
            Operand yWeight = f.input("y_weight", DType.F32, Draw.normal(0.5), d);
            Operand out = inPlace ? f.updated("out", DType.F32, Draw.normal(1), rows, d) : f.output("out", DType.F32, rows, d);
            Operand residual = inPlace ? out : f.input("residual", DType.F32, Draw.normal(1), rows, d);
            Operand y = f.output("y", dtype, rows, d);
            f.oracle(() -> {
                double[] sum = new double[rows * d];
                double[] rstd = RmsNormCases.rstds(x.values(), rows, d, EPS);
                for (int i = 0; i < sum.length; i++) {
                    double added = xWeight == null ? x.value(i) : x.value(i) * rstd[i / d] * (offset + xWeight.value(i % d));
                    sum[i] = residual.value(i) + added;
                    out.expect(i, sum[i], rootError(d) * Math.abs(added) + Sum.EPS * (Math.abs(residual.value(i)) + Math.abs(sum[i])));
                }
                double[] rstdOfSum = RmsNormCases.rstds(sum, rows, d, EPS);
                for (int i = 0; i < sum.length; i++) {
                    double scale = rstdOfSum[i / d] * (offset + yWeight.value(i % d));
                    double inherited = rootError(d) * (Math.abs(sum[i]) + Math.abs(sum[i] - residual.value(i)))
                        + Sum.EPS * Math.abs(residual.value(i));
                    y.expect(i, sum[i] * scale, Math.abs(scale) * (inherited + rootError(d) * Math.abs(sum[i])));
                }
            });
            return () -> f.ops().block().residualNormForward(out.tensor(), y.tensor(), x.tensor(), Fixture.tensorOrNull(xWeight),
                residual.tensor(), yWeight.tensor(), EPS, offset);
        }

        /** Relative: the sum of squares, its root, and the products with it. */
        private static double rootError(int d) {
            return Sum.EPS * (Math.sqrt(d) / 2 + 6);
        }
    }

    /** q in place, k and v into the cache; what the cache holds besides stays. */
    public record RopeAppend(int batch, int capacity, int heads, int kvHeads, int headDim, int position, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "rope_append";
        }

        @Override
        public double flops() {
            return 3.0 * batch * (heads + kvHeads) * headDim;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Draw draw = Draw.normal(1);
            Operand q = f.updated("q", dtype, draw, batch, heads, headDim);
            long appended = (long) batch * kvHeads * headDim;
            Operand keys = f.updated("keys", dtype, draw, batch, capacity, kvHeads, headDim).touching(appended);
            Operand values = f.updated("values", dtype, draw, batch, capacity, kvHeads, headDim).touching(appended);
            Operand kSegment = f.updated("k_segment", DType.I32, Draw.ints(0, 9), batch, capacity).touching(batch);
            Operand k = f.input("k", dtype, draw, batch, kvHeads, headDim);
            Operand v = f.input("v", dtype, draw, batch, kvHeads, headDim);
            Operand table = f.input("table", DType.F32, (random, i) -> {
                double angle = RopeCases.angle(i / headDim * 3 + 1, i % headDim / 2, headDim, 10000);
                return i % 2 == 0 ? Math.cos(angle) : Math.sin(angle);
            }, batch, headDim / 2, 2);
            Operand qSegment = f.input("q_segment", DType.I32, Draw.ints(0, 9), batch);
            Operand place = f.input("key_position", DType.I32, Draw.of(new double[] {position}), 1);
            f.oracle(() -> {
                for (int i = 0; i < batch * heads * headDim; i++) {
                    expectTurned(q, i, q, i, table, i / headDim / heads, headDim);
                }
                int row = kvHeads * headDim;
                for (int i = 0; i < batch * capacity * row; i++) {
                    int b = i / row / capacity;
                    int from = b * row + i % row;
                    if (i / row % capacity == position) {
                        expectTurned(keys, i, k, from, table, b, headDim);
                        values.expect(i, v.value(from), 0);
                    } else {
                        keys.expect(i, keys.value(i), 0);
                        values.expect(i, values.value(i), 0);
                    }
                }
                for (int i = 0; i < batch * capacity; i++) {
                    kSegment.expect(i, i % capacity == position ? qSegment.value(i / capacity) : kSegment.value(i), 0);
                }
            });
            return () -> f.ops().decoding().ropeAppend(q.tensor(), keys.tensor(), values.tensor(), kSegment.tensor(), k.tensor(),
                v.tensor(), table.tensor(), qSegment.tensor(), place.tensor());
        }
    }

    /** Element {@code from} of x, turned by the row b of the table. */
    static void expectTurned(Operand out, int i, Operand x, int from, Operand table, int b, int headDim) {
        int half = headDim / 2;
        int j = from % headDim;
        int at = (b * half + j % half) * 2;
        double cos = x.value(from) * table.value(at);
        double sin = (j < half ? -x.value(from + half) : x.value(from - half)) * table.value(at + 1);
        out.expect(i, cos + sin, Sum.EPS * (Math.abs(cos) + Math.abs(sin)));
    }

    /** One query a sequence over what is filled; the rest of the cache holds NaN. */
    public record Attention(int batch, int capacity, int heads, int kvHeads, int headDim, int position, int window, float softcap,
        DType dtype)
        implements OpCase {
        @Override
        public String operation() {
            return "attention_decode";
        }

        @Override
        public double flops() {
            return 4.0 * batch * heads * (position + 1) * headDim;
        }

        @Override
        public Runnable prepare(Fixture f) {
            int row = kvHeads * headDim;
            AttentionShape shape = new AttentionShape(batch, 1, capacity, heads, kvHeads, headDim, (long) capacity * row, position, window,
                (float) (1.5 / Math.sqrt(headDim)), softcap);
            Draw filled = (random, i) -> i / row % capacity <= position ? random.nextGaussian() : Double.NaN;
            Operand q = f.input("q", dtype, Draw.normal(1), batch, heads, headDim);
            Operand keys = f.input("keys", dtype, filled, batch, capacity, kvHeads, headDim);
            Operand values = f.input("values", dtype, filled, batch, capacity, kvHeads, headDim);
            // Padded on the left, each sequence by another length; the second of three is padding altogether.
            Operand qSegment = f.input("q_segment", DType.I32, (random, b) -> batch == 3 && b == 1 ? 0 : 1, batch);
            Operand kSegment = f.input("k_segment", DType.I32,
                (random, i) -> i % capacity < i / capacity * 3 && i % capacity < position ? 0 : 1, batch,
                capacity);
            Operand place = f.input("key_position", DType.I32, Draw.of(new double[] {position}), 1);
            Operand out = f.output("out", dtype, batch, heads, headDim);
            f.oracle(() -> {
                Sum[] expected = new AttentionOracle(shape, q.values(), keys.values(), values.values(), qSegment.values(),
                    kSegment.values(),
                    dtype == DType.BF16).forward().out();
                for (int i = 0; i < expected.length; i++) {
                    out.expect(i, expected[i].value(), expected[i].error());
                }
            });
            return () -> f.ops().decoding().attentionDecode(out.tensor(), q.tensor(), keys.tensor(), values.tensor(), qSegment.tensor(),
                kSegment.tensor(), place.tensor(), window, shape.scale(), softcap);
        }
    }

    /** The chosen tokens are kept, where there is room, and everything counts up. */
    public record Advance(int batch, int steps, int step) implements OpCase {
        @Override
        public String operation() {
            return "decode_advance";
        }

        @Override
        public DType dtype() {
            return DType.I32;
        }

        @Override
        public double flops() {
            return batch;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand history = f.updated("history", DType.I32, Draw.ints(0, 1000), steps, batch);
            Operand positions = f.updated("positions", DType.I32, Draw.ints(0, 1000), batch);
            Operand place = f.updated("key_position", DType.I32, Draw.ints(0, 1000), 1);
            Operand counter = f.updated("step", DType.I32, Draw.of(new double[] {step}), 1);
            Operand ids = f.input("ids", DType.I32, Draw.ints(0, 256_000), batch);
            f.oracle(() -> {
                for (int i = 0; i < steps * batch; i++) {
                    history.expect(i, i / batch == step ? ids.value(i % batch) : history.value(i), 0);
                }
                for (int b = 0; b < batch; b++) {
                    positions.expect(b, positions.value(b) + 1, 0);
                }
                place.expect(0, place.value(0) + 1, 0);
                counter.expect(0, step + 1, 0);
            });
            return () -> f.ops().decoding().decodeAdvance(history.tensor(), positions.tensor(), place.tensor(), counter.tensor(),
                ids.tensor());
        }
    }
}
