package io.sails4j.conformance;

import io.sails4j.ops.AttentionShape;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;

/** Attention with grouped heads, soft-cap, sliding window, segments and a cache with spare room. */
public final class AttentionCases {
    /** How the segments are drawn. */
    public enum Segments { ONE, PADDED, PACKED, RANDOM }

    private AttentionCases() {
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (DType type : ElementwiseCases.FLOATS) {
            List<OpCase> shapes = new ArrayList<>();
            add(shapes, shape(2, 24, 24, 4, 2, 16, 0, 0, 0, 50), Segments.PADDED, type);
            add(shapes, shape(1, 1, 1, 1, 1, 2, 0, 0, 0, 0), Segments.ONE, type);
            add(shapes, shape(1, 17, 17, 3, 1, 20, 0, 0, 5, 5), Segments.PADDED, type);
            add(shapes, shape(2, 33, 33, 2, 1, 32, 0, 0, 1, 0), Segments.RANDOM, type);
            add(shapes, shape(1, 65, 65, 4, 4, 8, 0, 0, 16, 50), Segments.RANDOM, type);
            add(shapes, shape(1, 70, 70, 2, 1, 256, 0, 0, 0, 50), Segments.ONE, type);
            add(shapes, shape(2, 1, 40, 4, 2, 64, 24, 39, 8, 50), Segments.PADDED, type);
            add(shapes, shape(2, 5, 19, 2, 2, 18, 7, 14, 0, 30), Segments.ONE, type);
            add(shapes, shape(1, 130, 130, 1, 1, 24, 0, 0, 0, 0), Segments.PADDED, type);
            // Around blocks of 64 queries and keys, and around the few queries and 512 keys at which decoding works differently.
            add(shapes, shape(1, 63, 63, 1, 1, 8, 0, 0, 0, 0), Segments.ONE, type);
            add(shapes, shape(1, 64, 64, 2, 1, 16, 0, 0, 64, 50), Segments.ONE, type);
            add(shapes, shape(1, 129, 129, 2, 2, 12, 0, 0, 65, 50), Segments.PADDED, type);
            add(shapes, shape(1, 4, 511, 2, 1, 16, 0, 507, 0, 50), Segments.PADDED, type);
            add(shapes, shape(2, 1, 512, 2, 1, 16, 16, 511, 0, 50), Segments.PADDED, type);
            add(shapes, shape(1, 3, 1030, 4, 1, 20, 0, 1027, 600, 0), Segments.RANDOM, type);
            add(shapes, shape(1, 5, 513, 2, 1, 16, 0, 508, 0, 0), Segments.PADDED, type);
            add(shapes, shape(0, 3, 3, 2, 1, 8, 0, 0, 0, 0), Segments.ONE, type);
            add(shapes, shape(2, 0, 3, 2, 1, 8, 0, 0, 0, 0), Segments.ONE, type);
            add(shapes, shape(1, 3, 0, 2, 1, 8, 0, 0, 0, 0), Segments.ONE, type);
            cases.addAll(shapes);
        }
        cases.addAll(forwardTiles());
        addWarpgroupShapes(cases);
        return cases;
    }

    /**
     * The forward around tiles of 128 rows (a query and the heads of its group are rows) and 80 or 128 keys, for the head dimensions that
     * have kernels of their own. In bfloat16: the other type has no such tiles.
     */
    private static List<OpCase> forwardTiles() {
        List<OpCase> cases = new ArrayList<>();
        // A query below a tile and a query above; a whole tile; rows that do not fill one (a group of 3).
        addForward(cases, shape(1, 63, 63, 2, 1, 256, 0, 0, 0, 0), Segments.PADDED);
        addForward(cases, shape(1, 65, 65, 2, 1, 256, 0, 0, 0, 50), Segments.PADDED);
        addForward(cases, shape(1, 128, 128, 1, 1, 128, 0, 0, 0, 0), Segments.ONE);
        addForward(cases, shape(1, 127, 127, 2, 2, 128, 0, 0, 0, 50), Segments.RANDOM);
        addForward(cases, shape(1, 129, 129, 3, 1, 64, 0, 0, 64, 0), Segments.PADDED);
        // Several tiles: windows within and across them, a cache with spare room, groups of 4, several sequences.
        addForward(cases, shape(2, 100, 261, 4, 2, 128, 3 * 2 * 128, 161, 37, 50), Segments.PADDED);
        addForward(cases, shape(2, 70, 240, 2, 1, 256, 5 * 256, 150, 100, 0), Segments.PADDED);
        addForward(cases, shape(1, 64, 242, 2, 1, 256, 0, 178, 150, 50), Segments.ONE);
        // Keys that no query has reached; queries past the last key; a stride that no tensor map can have.
        addForward(cases, shape(1, 96, 300, 1, 1, 64, 0, 150, 0, 50), Segments.ONE);
        addForward(cases, shape(1, 140, 90, 1, 1, 128, 0, 0, 0, 50), Segments.PADDED);
        addForward(cases, shape(2, 64, 64, 2, 1, 64, 24, 0, 0, 50), Segments.PADDED);
        // Documents: several in a tile, some longer than one, so that whole tiles of others lie between.
        addForward(cases, shape(1, 262, 262, 2, 1, 128, 0, 0, 0, 50), Segments.PACKED);
        addForward(cases, shape(1, 200, 200, 1, 1, 256, 0, 0, 0, 50), Segments.PACKED);
        addForward(cases, shape(2, 150, 150, 4, 1, 64, 0, 0, 90, 0), Segments.PACKED);
        return cases;
    }

    private static void addForward(List<OpCase> cases, AttentionShape shape, Segments segments) {
        cases.add(new Forward(shape, segments, true, DType.BF16));
    }

    /**
     * Backward around what the kernels of sm_90a cut: blocks of 128 rows (queries times heads of the group) and tiles of 64 keys, in
     * head_dims 128 and 256.
     */
    private static void addWarpgroupShapes(List<OpCase> cases) {
        for (Backward backward : List.of(
            new Backward(shape(1, 63, 63, 1, 1, 128, 0, 0, 0, 50), Segments.ONE, DType.BF16),
            new Backward(shape(1, 65, 65, 2, 1, 256, 0, 0, 0, 0), Segments.RANDOM, DType.BF16),
            new Backward(shape(2, 129, 129, 2, 2, 128, 8, 0, 0, 0), Segments.PADDED, DType.BF16),
            new Backward(shape(1, 200, 200, 4, 1, 128, 0, 0, 70, 50), Segments.ONE, DType.BF16),
            new Backward(shape(1, 200, 200, 1, 1, 256, 0, 0, 0, 50), Segments.PADDED, DType.BF16),
            // Rows from 256 on and keys 64 to 127 are of different documents.
            new Backward(shape(1, 300, 300, 1, 1, 128, 0, 0, 0, 0), Segments.PADDED, DType.BF16),
            new Backward(shape(1, 40, 150, 2, 1, 128, 0, 100, 30, 50), Segments.PADDED, DType.BF16))) {
            cases.add(backward);
        }
    }

    private static void add(List<OpCase> cases, AttentionShape shape, Segments segments, DType type) {
        cases.add(new Forward(shape, segments, true, type));
        cases.add(new Backward(shape, segments, type));
        if (segments == Segments.RANDOM) {
            cases.add(new Forward(shape, segments, false, type));
        }
    }

    private static AttentionShape shape(long batch, long nQueries, long nKeys, long heads, long kvHeads, long headDim, long spare,
        long offset, long window, float softcap) {
        return new AttentionShape(batch, nQueries, nKeys, heads, kvHeads, headDim, nKeys * kvHeads * headDim + spare, offset, window,
            (float) (1.5 / Math.sqrt(headDim)), softcap);
    }

    /** The inputs that forward and backward share; the spare room behind each sequence holds NaN. */
    private record Inputs(Operand q, Operand k, Operand v, Operand qSegment, Operand kSegment) {
        static Inputs draw(Fixture f, AttentionShape s, Segments segments, DType type) {
            Draw kv = (random, i) -> i % s.kvBatchStride() < s.nKeys() * s.nKvHeads() * s.headDim() ? random.nextGaussian() : Double.NaN;
            double[] keySegments = new double[(int) (s.batch() * s.nKeys())];
            double[] querySegments = new double[(int) (s.batch() * s.nQueries())];
            for (int i = 0; i < keySegments.length; i++) {
                keySegments[i] = segment(f, segments, i / s.nKeys(), i % s.nKeys(), s.nKeys());
            }
            for (int i = 0; i < querySegments.length; i++) {
                long position = s.queryOffset() + i % s.nQueries();
                querySegments[i] = segments == Segments.RANDOM || position >= s.nKeys()
                    ? f.random().nextInt(3)
                    : keySegments[(int) (i / s.nQueries() * s.nKeys() + position)];
            }
            return new Inputs(f.input("q", type, Draw.normal(1), s.queryElements()), f.input("k", type, kv, s.minKvElements()),
                f.input("v", type, kv, s.minKvElements()), f.input("q_segment", DType.I32, Draw.of(querySegments), querySegments.length),
                f.input("k_segment", DType.I32, Draw.of(keySegments), keySegments.length));
        }

        private static double segment(Fixture f, Segments segments, long sequence, long i, long n) {
            return switch (segments) {
                case ONE -> 1;
                // Even sequences are padded on the left and hold two documents, odd ones are padded on the right.
                case PADDED -> sequence % 2 == 0 ? (i < n / 5 ? 0 : i < n / 2 ? 7 : 3) : i < n - n / 3 ? 1 : 0;
                // Documents of 40, 3, 110, 1 and 46 tokens, over and over.
                case PACKED -> 1 + i / 200 * 5 + (i % 200 < 40 ? 0 : i % 200 < 43 ? 1 : i % 200 < 153 ? 2 : i % 200 < 154 ? 3 : 4);
                case RANDOM -> f.random().nextInt(3);
            };
        }

        AttentionOracle oracle(AttentionShape s) {
            return new AttentionOracle(s, q.values(), k.values(), v.values(), qSegment.values(), kSegment.values(),
                q.dtype() == DType.BF16);
        }
    }

    /** Of the pairs of queries and keys that causality and the window let see one another. */
    private static double flopsForward(AttentionShape s) {
        double pairs = 0;
        for (long i = 0; i < s.nQueries(); i++) {
            long seen = Math.min(s.queryOffset() + i + 1, s.nKeys());
            pairs += s.window() == 0 ? seen : Math.min(seen, s.window());
        }
        return 4.0 * s.batch() * s.nHeads() * pairs * s.headDim();
    }

    /** out and the log sum of exponentials. */
    public record Forward(AttentionShape shape, Segments segments, boolean saveLse, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "attention_forward";
        }

        @Override
        public double flops() {
            return flopsForward(shape);
        }

        @Override
        public Runnable prepare(Fixture f) {
            Inputs in = Inputs.draw(f, shape, segments, dtype);
            Operand out = f.output("out", dtype, shape.queryElements());
            Operand lse = saveLse ? f.output("lse", DType.F32, shape.batch() * shape.nHeads() * shape.nQueries()) : null;
            f.oracle(() -> {
                AttentionOracle.Forward expected = in.oracle(shape).forward();
                for (int i = 0; i < expected.out().length; i++) {
                    out.expect(i, expected.out()[i].value(), expected.out()[i].error());
                }
                for (int i = 0; lse != null && i < expected.lse().length; i++) {
                    lse.expect(i, expected.lse()[i], expected.lseError()[i]);
                }
            });
            return () -> f.ops().attention().attentionForward(out.tensor(), Fixture.tensorOrNull(lse), in.q.tensor(), in.k.tensor(),
                in.v.tensor(), in.qSegment.tensor(), in.kSegment.tensor(), shape);
        }
    }

    /** dq, dk, dv from dout and what forward saved. */
    public record Backward(AttentionShape shape, Segments segments, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "attention_backward";
        }

        @Override
        public double flops() {
            return 2.5 * flopsForward(shape);
        }

        @Override
        public Runnable prepare(Fixture f) {
            if (shape.headDim() % 128 == 0) {
                f.aligned();
            }
            Inputs in = Inputs.draw(f, shape, segments, dtype);
            AttentionOracle oracle = in.oracle(shape);
            AttentionOracle.Forward saved = f.isTimed() ? null : oracle.forward();
            Operand dout = f.input("dout", dtype, Draw.normal(1), shape.queryElements());
            Operand out = f.input("out", dtype, saved == null ? Draw.normal(0.1) : (random, i) -> saved.out()[i].value(),
                shape.queryElements());
            Operand lse = f.input("lse", DType.F32, saved == null ? Draw.constant(Math.log(shape.nKeys()) + 1) : Draw.of(saved.lse()),
                shape.batch() * shape.nHeads() * shape.nQueries());
            Operand dq = f.output("dq", dtype, shape.queryElements());
            Operand dk = f.output("dk", dtype, shape.denseKvElements());
            Operand dv = f.output("dv", dtype, shape.denseKvElements());
            f.oracle(() -> {
                AttentionOracle.Backward expected = oracle.backward(dout.values());
                expect(dq, expected.dq());
                expect(dk, expected.dk());
                expect(dv, expected.dv());
            });
            return () -> f.ops().attention().attentionBackward(dq.tensor(), dk.tensor(), dv.tensor(), dout.tensor(), in.q.tensor(),
                in.k.tensor(), in.v.tensor(), out.tensor(), lse.tensor(), in.qSegment.tensor(), in.kSegment.tensor(), shape);
        }

        private static void expect(Operand operand, Sum[] sums) {
            for (int i = 0; i < sums.length; i++) {
                operand.expect(i, sums[i].value(), sums[i].error());
            }
        }
    }
}
