package io.sails4j.conformance;

import io.sails4j.tensor.DType;
import java.util.List;

/** &lt;dy, J dx&gt; = &lt;J^T dy, dx&gt; for linear operations and their gradients, on the backend itself. */
public final class AdjointCases {
    private AdjointCases() {
    }

    static List<OpCase> all() {
        return List.of(new Embedding(23, 11, 65), new Embedding(1, 1, 1), new Rope(7, 3, 34), new Lora(9, 33, 17, 5), new Lora(1, 1, 1, 1),
            new Matmul(17, 31, 65), new Unstandardize(5, 33));
    }

    private static void compare(Fixture f, Operand dy, Operand jdx, Operand jtdy, double[] dx, int terms) {
        Sum left = sum(dy.values(), jdx.download());
        Sum right = sum(jtdy.download(), dx);
        // Each element is a sum of up to `terms` products.
        double inner = Sum.EPS * (Math.sqrt(terms) + 4) * Math.sqrt(terms) * (left.magnitude() + right.magnitude());
        f.compare("<dy, J dx> = <J^T dy, dx>", left.value(), right.value(), 4 * (inner + left.error() + right.error()));
    }

    private static Sum sum(double[] a, double[] b) {
        Sum sum = new Sum();
        for (int i = 0; i < a.length; i++) {
            sum.add(a[i] * b[i]);
        }
        return sum;
    }

    /** Lookup and scatter. */
    public record Embedding(int tokens, int vocab, int dModel) implements OpCase {
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
            return 3.0 * tokens * dModel;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand ids = f.input("ids", DType.I32, Draw.ints(0, vocab), tokens);
            Operand table = f.input("table", DType.F32, Draw.normal(1), vocab, dModel);
            Operand dy = f.input("dy", DType.F32, Draw.normal(1), tokens, dModel);
            Operand y = f.intermediate("y", DType.F32, tokens, dModel);
            Operand dtable = f.intermediate("dtable", DType.F32, vocab, dModel);
            f.oracle(() -> compare(f, dy, y, dtable, table.values(), tokens));
            return () -> {
                dtable.tensor().fillZero();
                f.ops().block().embeddingForward(y.tensor(), ids.tensor(), table.tensor(), 3);
                f.ops().block().embeddingBackward(dtable.tensor(), dy.tensor(), ids.tensor(), 3);
            };
        }
    }

    /** A rotation's gradient is the rotation back. */
    public record Rope(int tokens, int heads, int headDim) implements OpCase {
        @Override
        public String operation() {
            return "rope";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return 6.0 * tokens * heads * headDim;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand positions = f.input("positions", DType.I32, Draw.ints(0, 4096), tokens);
            Operand invFreq = RopeCases.invFreq(f, headDim, 10000);
            Operand table = f.intermediate("table", DType.F32, tokens, headDim / 2, 2);
            Operand x = f.input("x", DType.F32, Draw.normal(1), tokens, heads, headDim);
            Operand dy = f.input("dy", DType.F32, Draw.normal(1), tokens, heads, headDim);
            Operand y = f.intermediate("y", DType.F32, tokens, heads, headDim);
            Operand dx = f.intermediate("dx", DType.F32, tokens, heads, headDim);
            f.oracle(() -> compare(f, dy, y, dx, x.values(), 2));
            return () -> {
                f.ops().block().ropeTable(table.tensor(), positions.tensor(), invFreq.tensor());
                f.ops().block().rope(y.tensor(), x.tensor(), table.tensor(), false);
                f.ops().block().rope(dx.tensor(), dy.tensor(), table.tensor(), true);
            };
        }
    }

    /** The adapter as a map of x. */
    public record Lora(int n, int dIn, int dOut, int r) implements OpCase {
        @Override
        public String operation() {
            return "lora_backward";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return 6.0 * n * r * (dIn + dOut);
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand x = f.input("x", DType.F32, Draw.normal(1), n, dIn);
            Operand dy = f.input("dy", DType.F32, Draw.normal(1), n, dOut);
            Operand loraA = f.input("lora_a", DType.F32, Draw.normal(1), r, dIn);
            Operand loraB = f.input("lora_b", DType.F32, Draw.normal(1), dOut, r);
            Operand y = f.intermediate("y", DType.F32, n, dOut);
            Operand h = f.intermediate("h", DType.F32, n, r);
            Operand dx = f.intermediate("dx", DType.F32, n, dIn);
            Operand dloraA = f.intermediate("dlora_a", DType.F32, r, dIn);
            Operand dloraB = f.intermediate("dlora_b", DType.F32, dOut, r);
            f.oracle(() -> compare(f, dy, y, dx, x.values(), r * (dIn + dOut)));
            return () -> {
                List.of(y, dx, dloraA, dloraB).forEach(operand -> operand.tensor().fillZero());
                f.ops().linear().loraForward(y.tensor(), h.tensor(), x.tensor(), loraA.tensor(), loraB.tensor(), 2);
                f.ops().linear().loraBackward(dx.tensor(), dloraA.tensor(), dloraB.tensor(), dy.tensor(), x.tensor(), h.tensor(),
                    loraA.tensor(), loraB.tensor(), 2);
            };
        }
    }

    /** y = x W^T and dx = dy W. */
    public record Matmul(int n, int dIn, int dOut) implements OpCase {
        @Override
        public String operation() {
            return "matmul";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return 4.0 * n * dIn * dOut;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand x = f.input("x", DType.F32, Draw.normal(1), n, dIn);
            Operand dy = f.input("dy", DType.F32, Draw.normal(1), n, dOut);
            Operand weight = f.input("w", DType.F32, Draw.normal(1), dOut, dIn);
            Operand y = f.intermediate("y", DType.F32, n, dOut);
            Operand dx = f.intermediate("dx", DType.F32, n, dIn);
            f.oracle(() -> compare(f, dy, y, dx, x.values(), dIn + dOut));
            return () -> {
                f.ops().matmul().matmul(y.tensor(), x.tensor(), weight.tensor(), false, true, 1, 0);
                f.ops().matmul().matmul(dx.tensor(), dy.tensor(), weight.tensor(), false, false, 1, 0);
            };
        }
    }

    /** y = x std and dx = dy std. */
    public record Unstandardize(int rows, int cols) implements OpCase {
        @Override
        public String operation() {
            return "unstandardize_backward";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return 6.0 * rows * cols;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Operand x = f.input("x", DType.F32, Draw.normal(1), rows, cols);
            Operand dy = f.input("dy", DType.F32, Draw.normal(1), rows, cols);
            Operand mean = f.input("mean", DType.F32, Draw.constant(0), rows);
            Operand std = f.input("std", DType.F32, Draw.uniform(0.5, 2), rows);
            Operand y = f.intermediate("y", DType.F32, rows, cols);
            Operand dx = f.intermediate("dx", DType.F32, rows, cols);
            Operand dmean = f.intermediate("dmean", DType.F32, rows);
            Operand dstd = f.intermediate("dstd", DType.F32, rows);
            f.oracle(() -> compare(f, dy, y, dx, x.values(), 1));
            return () -> {
                f.ops().sae().unstandardizeForward(y.tensor(), x.tensor(), mean.tensor(), std.tensor());
                f.ops().sae().unstandardizeBackward(dx.tensor(), dmean.tensor(), dstd.tensor(), dy.tensor(), x.tensor(), std.tensor());
            };
        }
    }
}
