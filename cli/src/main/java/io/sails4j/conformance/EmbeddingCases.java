package io.sails4j.conformance;

import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;

/** Embedding lookup and its gradient. */
public final class EmbeddingCases {
    private EmbeddingCases() {
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (int[] s : new int[][] {{0, 7, 5}, {1, 1, 1}, {5, 3, 17}, {37, 11, 64}, {19, 101, 131}, {9, 4, 255}, {9, 4, 257}}) {
            for (DType y : ElementwiseCases.FLOATS) {
                for (DType table : ElementwiseCases.FLOATS) {
                    cases.add(new Forward(s[0], s[1], s[2], 8.5f, y, table));
                }
            }
            cases.add(new Backward(s[0], s[1], s[2], 8.5f));
        }
        cases.add(new Backward(2100, 5, 40, 8.5f));
        cases.add(new Backward(7, 3, 1100, 8.5f));
        return cases;
    }

    /** y [n, d] = table [ids, :] * scale. */
    public record Forward(int tokens, int vocab, int dModel, float scale, DType y, DType dtype) implements OpCase {
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
            Operand ids = f.input("ids", DType.I32, Draw.ints(0, vocab), tokens);
            Operand table = f.input("table", dtype, Draw.normal(1), vocab, dModel).touching((long) tokens * dModel);
            Operand out = f.output("y", y, tokens, dModel);
            f.oracle(() -> {
                for (int i = 0; i < tokens * dModel; i++) {
                    double value = table.value((int) ids.value(i / dModel) * dModel + i % dModel) * scale;
                    out.expect(i, value, Sum.EPS * Math.abs(value));
                }
            });
            return () -> f.ops().block().embeddingForward(out.tensor(), ids.tensor(), table.tensor(), scale);
        }
    }

    /** dtable += scale * dy, by ids. */
    public record Backward(int tokens, int vocab, int dModel, float scale) implements OpCase {
        @Override
        public String operation() {
            return "embedding_backward";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return 2.0 * tokens * dModel;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand ids = f.input("ids", DType.I32, Draw.ints(0, vocab), tokens);
            Operand dy = f.input("dy", DType.F32, Draw.normal(1), tokens, dModel);
            Operand dtable = f.updated("dtable", DType.F32, Draw.normal(1), vocab, dModel).touching((long) tokens * dModel);
            f.oracle(() -> {
                for (int i = 0; i < vocab * dModel; i++) {
                    Sum sum = new Sum();
                    sum.add(dtable.value(i));
                    for (int t = 0; t < tokens; t++) {
                        if ((int) ids.value(t) == i / dModel) {
                            sum.add(scale * dy.value(t * dModel + i % dModel));
                        }
                    }
                    dtable.expect(i, sum.value(), sum.error());
                }
            });
            return () -> f.ops().block().embeddingBackward(dtable.tensor(), dy.tensor(), ids.tensor(), scale);
        }
    }
}
