package io.sails4j.conformance;

import io.sails4j.ops.AttentionShape;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/** A decoding step over caches that lie in pages: sequences at places of their own, and rows where none stands. */
public final class PagedCases {
    private PagedCases() {
    }

    /**
     * Pages of sequences, from the last one down, so that they lie in no order; page 0 is nobody's.
     *
     * @param shared whether the sequences' first pages are the same one, as those of a common prefix are
     */
    public record Pages(int batch, int tokens, int perSequence, boolean shared) {
        int count() {
            return batch * perSequence + 1;
        }

        int page(int b, int index) {
            int at = shared && index == 0 ? 0 : b * perSequence + index;
            return count() - 1 - at;
        }

        /** The row of keys and values of a sequence's key. */
        int row(int b, int key) {
            return page(b, key / tokens) * tokens + key % tokens;
        }

        /** Entries behind a sequence's place are nonsense, which nobody looks at. */
        double entry(int i, List<Integer> positions) {
            int b = i / perSequence;
            return i % perSequence <= positions.get(b) / tokens && positions.get(b) >= 0 ? page(b, i % perSequence) : 1_000_000;
        }
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (DType type : ElementwiseCases.FLOATS) {
            cases.add(new RopeAppend(new Pages(0, 4, 2, false), List.of(), 2, 1, 8, type));
            cases.add(new RopeAppend(new Pages(1, 1, 3, false), List.of(2), 1, 1, 2, type));
            cases.add(new RopeAppend(new Pages(3, 5, 3, true), List.of(14, -1, 5), 4, 2, 18, type));
            cases.add(new RopeAppend(new Pages(2, 16, 4, false), List.of(0, 63), 8, 4, 64, type));
            cases.add(new Attention(new Pages(0, 4, 2, false), List.of(), 2, 1, 8, 0, 0, type));
            cases.add(new Attention(new Pages(1, 1, 3, false), List.of(2), 1, 1, 2, 0, 50, type));
            cases.add(new Attention(new Pages(3, 5, 4, true), List.of(19, -1, 7), 4, 2, 18, 0, 50, type));
            cases.add(new Attention(new Pages(2, 16, 40, true), List.of(600, 63), 4, 2, 128, 0, 50, type));
            cases.add(new Attention(new Pages(2, 16, 12, false), List.of(64, 190), 2, 1, 256, 65, 0, type));
            cases.add(new Attention(new Pages(2, 100, 11, false), List.of(1030, 0), 2, 2, 16, 64, 50, type));
            cases.add(new Attention(new Pages(2, 7, 13, false), List.of(80, 89), 6, 1, 300, 33, 0, type));
        }
        return cases;
    }

    /** q in place, k and v into the pages; what they hold besides stays. */
    public record RopeAppend(Pages pages, List<Integer> positions, int heads, int kvHeads, int headDim, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "rope_append_paged";
        }

        @Override
        public double flops() {
            return 3.0 * pages.batch() * (heads + kvHeads) * headDim;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Draw draw = Draw.normal(1);
            int batch = pages.batch();
            int row = kvHeads * headDim;
            Operand q = f.updated("q", dtype, draw, batch, heads, headDim);
            Operand keys = f.updated("keys", dtype, draw, pages.count(), pages.tokens(), kvHeads, headDim).touching((long) batch * row);
            Operand values = f.updated("values", dtype, draw, pages.count(), pages.tokens(), kvHeads, headDim).touching((long) batch * row);
            Operand k = f.input("k", dtype, draw, batch, kvHeads, headDim);
            Operand v = f.input("v", dtype, draw, batch, kvHeads, headDim);
            Operand table = f.input("table", DType.F32, (_, i) -> {
                double angle = RopeCases.angle(i / headDim * 3 + 1, i % headDim / 2, headDim, 10000);
                return i % 2 == 0 ? Math.cos(angle) : Math.sin(angle);
            }, batch, headDim / 2, 2);
            Operand places = f.input("positions", DType.I32, (_, b) -> positions.get(b), batch);
            Operand pageTable = f.input("page_table", DType.I32, (_, i) -> pages.entry(i, positions), batch, pages.perSequence());
            f.oracle(() -> {
                for (int i = 0; i < pages.count() * pages.tokens() * row; i++) {
                    keys.expect(i, keys.value(i), 0);
                    values.expect(i, values.value(i), 0);
                }
                for (int b = 0; b < batch; b++) {
                    for (int i = b * heads * headDim; i < (b + 1) * heads * headDim; i++) {
                        if (positions.get(b) < 0) {
                            q.expect(i, q.value(i), 0);
                        } else {
                            DecodeCases.expectTurned(q, i, q, i, table, b, headDim);
                        }
                    }
                    for (int i = 0; positions.get(b) >= 0 && i < row; i++) {
                        int at = pages.row(b, positions.get(b)) * row + i;
                        DecodeCases.expectTurned(keys, at, k, b * row + i, table, b, headDim);
                        values.expect(at, v.value(b * row + i), 0);
                    }
                }
            });
            return () -> f.ops().decoding().ropeAppendPaged(q.tensor(), keys.tensor(), values.tensor(), k.tensor(), v.tensor(),
                table.tensor(), places.tensor(), pageTable.tensor());
        }
    }

    /** One query a sequence over what its pages hold up to it; whatever else is there is NaN. */
    public record Attention(Pages pages, List<Integer> positions, int heads, int kvHeads, int headDim, int window, float softcap,
        DType dtype)
        implements OpCase {
        @Override
        public String operation() {
            return "attention_decode_paged";
        }

        @Override
        public double flops() {
            double keys = 0;
            for (int position : positions) {
                keys += position + 1;
            }
            return 4.0 * keys * heads * headDim;
        }

        @Override
        public Runnable prepare(Fixture f) {
            int batch = pages.batch();
            int row = kvHeads * headDim;
            boolean[] filled = new boolean[pages.count() * pages.tokens()];
            for (int b = 0; b < batch; b++) {
                for (int key = 0; key <= positions.get(b); key++) {
                    filled[pages.row(b, key)] = true;
                }
            }
            Draw draw = (random, i) -> filled[i / row] ? random.nextGaussian() : Double.NaN;
            Operand q = f.input("q", dtype, Draw.normal(1), batch, heads, headDim);
            Operand keys = f.input("keys", dtype, draw, pages.count(), pages.tokens(), kvHeads, headDim);
            Operand values = f.input("values", dtype, draw, pages.count(), pages.tokens(), kvHeads, headDim);
            Operand places = f.input("positions", DType.I32, (_, b) -> positions.get(b), batch);
            Operand pageTable = f.input("page_table", DType.I32, (_, i) -> pages.entry(i, positions), batch, pages.perSequence());
            Operand out = f.output("out", dtype, batch, heads, headDim);
            float scale = (float) (1.5 / Math.sqrt(headDim));
            f.oracle(() -> {
                for (int b = 0; b < batch; b++) {
                    expect(b, q, keys, values, out, scale);
                }
            });
            return () -> f.ops().decoding().attentionDecodePaged(out.tensor(), q.tensor(), keys.tensor(), values.tensor(),
                places.tensor(), pageTable.tensor(), window, scale, softcap);
        }

        /** A sequence alone, its keys one behind another. */
        private void expect(int b, Operand q, Operand keys, Operand values, Operand out, float scale) {
            int row = kvHeads * headDim;
            int n = positions.get(b) + 1;
            int width = heads * headDim;
            double[] query = new double[width];
            double[] k = new double[n * row];
            double[] v = new double[n * row];
            double[] ones = new double[Math.max(1, n)];
            Arrays.fill(ones, 1);
            for (int i = 0; i < width; i++) {
                query[i] = q.value(b * width + i);
            }
            for (int i = 0; i < n * row; i++) {
                int at = pages.row(b, i / row) * row + i % row;
                k[i] = keys.value(at);
                v[i] = values.value(at);
            }
            AttentionShape shape = new AttentionShape(1, 1, n, heads, kvHeads, headDim, (long) n * row, Math.max(0, n - 1), window, scale,
                softcap);
            Sum[] expected = n == 0 ? new Sum[0]
                : new AttentionOracle(shape, query, k, v, ones, ones, dtype == DType.BF16).forward().out();
            for (int i = 0; i < width; i++) {
                out.expect(b * width + i, n == 0 ? 0 : expected[i].value(), n == 0 ? 0 : expected[i].error());
            }
        }
    }
}
