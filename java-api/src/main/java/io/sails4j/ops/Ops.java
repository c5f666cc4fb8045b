package io.sails4j.ops;

import static io.sails4j.ops.Call.F32_OR_BF16;
import static io.sails4j.tensor.DType.BF16;
import static io.sails4j.tensor.DType.F16;
import static io.sails4j.tensor.DType.F32;
import static io.sails4j.tensor.DType.F64;
import static io.sails4j.tensor.DType.I32;

import io.sails4j.ffi.NativeDevice;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The operations of {@code sails.h} on tensors, with its names in camelCase; formulas, aliasing and "=" or "+=" are those of the header.
 * Arguments are the outputs, the inputs, the sizes that no shape tells, then scalars. Leading sizes of a tensor that the header calls
 * {@code [n, d]} are flattened. Wrong shapes and types are {@link IllegalArgumentException} and name the operation and the argument.
 */
public final class Ops {
    private final Device device;
    private final NativeDevice api;
    private final Workspace workspace;
    private final DecodeCalls decoding;

    Ops(Device device) {
        this.device = device;
        this.api = device.handle();
        this.workspace = new Workspace(device);
        this.decoding = new DecodeCalls(api, workspace);
    }

    void close() {
        workspace.close();
    }

    Graph record(Runnable body) {
        return Graph.record(api, workspace, body);
    }

    private Call call(String operation) {
        return new Call(device, operation);
    }

    private static int code(Tensor tensor) {
        return tensor.dtype().abiCode();
    }

    private static int flag(boolean value) {
        return value ? 1 : 0;
    }

    // ---------------------------------------------------------------- elementwise, rows, reductions

    /** dst = src, between F32, BF16, F16 and F64; as many elements, in any shape. */
    public void convert(Tensor dst, Tensor src) {
        try (Call call = call("convert")) {
            api.convert(call.like("dst", dst, "src", src, F32, BF16, F16, F64), call.address("src", src, F32, BF16, F16, F64),
                src.numel(), code(dst), code(src));
        }
    }

    /** y F32 = alpha * x F32|BF16 + beta * y; beta 0 does not read y. */
    public void axpby(Tensor y, Tensor x, float alpha, float beta) {
        try (Call call = call("axpby")) {
            api.axpby(call.like("y", y, "x", x, F32), call.address("x", x, F32_OR_BF16), x.numel(), alpha, beta, code(x));
        }
    }

    /** y [n, d] F32 = x [n, d] F32|BF16 + alpha * row [d] F32. */
    public void addRow(Tensor y, Tensor x, Tensor row, float alpha) {
        try (Call call = call("addRow")) {
            long rows = call.rows("x", x);
            long cols = call.cols("x", x);
            api.addRow(call.matrix("y", y, rows, cols, F32), call.address("x", x, F32_OR_BF16), call.elements("row", row, cols, F32),
                rows, cols, alpha, code(x));
        }
    }

    /** y [n, d] = x [rows[i], :]; y and x of one type, rows I32, each in [0, rows of x). */
    public void gatherRows(Tensor y, Tensor x, Tensor rows) {
        try (Call call = call("gatherRows")) {
            long cols = call.cols("x", x);
            call.sameType("y", y, "x", x);
            api.gatherRows(call.matrix("y", y, rows.numel(), cols, F32_OR_BF16), call.address("x", x, F32_OR_BF16),
                call.address("rows", rows, I32), rows.numel(), call.rows("x", x), cols, code(x));
        }
    }

    /** The sum of squares of each F32 tensor, on the host; waits. */
    public double[] sumOfSquares(List<Tensor> tensors) {
        try (Call call = call("sumOfSquares")) {
            long[] addresses = addresses(call, "tensors", tensors);
            double[] sums = new double[addresses.length];
            synchronized (workspace) {
                long out = workspace.atLeast(8L * sums.length);
                api.sumOfSquares(out, addresses, sizes(tensors));
                api.download(MemorySegment.ofArray(sums), out);
            }
            return sums;
        }
    }

    /** The same into sums [tensors] F64 on the device; does not wait. */
    public void sumOfSquares(Tensor sums, List<Tensor> tensors) {
        try (Call call = call("sumOfSquares")) {
            api.sumOfSquares(call.elements("sums", sums, tensors.size(), F64), addresses(call, "tensors", tensors), sizes(tensors));
        }
    }

    /** How many elements of x F32|BF16|F16 are NaN or infinite; waits. */
    public long countNonfinite(Tensor x) {
        try (Call call = call("countNonfinite")) {
            long[] count = new long[1];
            long address = call.address("x", x, F32, BF16, F16);
            synchronized (workspace) {
                long out = workspace.atLeast(Long.BYTES);
                api.countNonfinite(out, address, x.numel(), code(x));
                api.download(MemorySegment.ofArray(count), out);
            }
            return count[0];
        }
    }

    private static long[] addresses(Call call, String name, List<Tensor> tensors) {
        return addresses(call, name, tensors, F32);
    }

    private static long[] addresses(Call call, String name, List<Tensor> tensors, DType type) {
        long[] out = new long[tensors.size()];
        for (int i = 0; i < out.length; i++) {
            out[i] = call.address(name + "[" + i + "]", tensors.get(i), type);
        }
        return out;
    }

    private static long[] sizes(List<Tensor> tensors) {
        return tensors.stream().mapToLong(Tensor::numel).toArray();
    }

    // ---------------------------------------------------------------- dense matmul

    /**
     * c [m, n] = alpha * op(a) op(b) + beta * c. a and b of one type, F32 or BF16; c F32, or BF16 where they are. Of tensors with more
     * than two sizes all but the last are rows. beta 0 does not read c.
     */
    public void matmul(Tensor c, Tensor a, Tensor b, boolean transposeA, boolean transposeB, float alpha, float beta) {
        try (Call call = call("matmul")) {
            long aRows = call.rows("a", a);
            long aCols = call.cols("a", a);
            long bRows = call.rows("b", b);
            long bCols = call.cols("b", b);
            long m = transposeA ? aCols : aRows;
            long k = transposeA ? aRows : aCols;
            long n = transposeB ? bRows : bCols;
            call.require((transposeB ? bCols : bRows) == k, "a " + a.shape() + transposed(transposeA) + " and b " + b.shape()
                + transposed(transposeB) + " do not agree in the inner size");
            call.sameType("b", b, "a", a);
            long cAddress = a.dtype() == BF16 ? call.matrix("c", c, m, n, F32_OR_BF16) : call.matrix("c", c, m, n, F32);
            long aAddress = call.address("a", a, F32_OR_BF16);
            long bAddress = call.address("b", b, F32_OR_BF16);
            synchronized (workspace) {
                long bytes = api.matmulWorkspaceBytes(m, n, k, code(c), code(a), flag(transposeA), flag(transposeB));
                api.matmul(cAddress, aAddress, bAddress, m, n, k, n, aCols, bCols, code(c), code(a), flag(transposeA),
                    flag(transposeB), alpha, beta, workspace.atLeast(bytes), bytes);
            }
        }
    }

    private static String transposed(boolean transpose) {
        return transpose ? " transposed" : "";
    }

    // ---------------------------------------------------------------- transformer layers

    /** y [n_tokens, d_model] F32|BF16 = table [ids, :] * scale; ids I32, table [vocab, d_model] F32|BF16. */
    public void embeddingForward(Tensor y, Tensor ids, Tensor table, float scale) {
        try (Call call = call("embeddingForward")) {
            long vocab = call.rows("table", table);
            long dModel = call.cols("table", table);
            long nTokens = ids.numel();
            api.embeddingForward(call.matrix("y", y, nTokens, dModel, F32_OR_BF16), call.address("ids", ids, I32),
                call.address("table", table, F32_OR_BF16), nTokens, vocab, dModel, scale, code(y), code(table));
        }
    }

    /** dtable [vocab, d_model] F32 += scale * dy [n_tokens, d_model] F32, by ids I32. */
    public void embeddingBackward(Tensor dtable, Tensor dy, Tensor ids, float scale) {
        try (Call call = call("embeddingBackward")) {
            long vocab = call.rows("dtable", dtable);
            long dModel = call.cols("dtable", dtable);
            long nTokens = ids.numel();
            api.embeddingBackward(call.address("dtable", dtable, F32), call.matrix("dy", dy, nTokens, dModel, F32),
                call.address("ids", ids, I32), nTokens, vocab, dModel, scale);
        }
    }

    /** y [n, d] = residual + x * rstd * (weightOffset + weight); x, y F32|BF16, residual of y's type, weight [d] and rstd [n] F32. */
    public void rmsnormForward(Tensor y, @Nullable Tensor rstd, Tensor x, Tensor weight, @Nullable Tensor residual, float eps,
        float weightOffset) {
        try (Call call = call("rmsnormForward")) {
            long rows = call.rows("x", x);
            long d = call.cols("x", x);
            api.rmsnormForward(call.matrix("y", y, rows, d, F32_OR_BF16), call.elementsOrNull("rstd", rstd, rows, F32),
                call.address("x", x, F32_OR_BF16), call.elements("weight", weight, d, F32),
                call.matrixOrNull("residual", residual, rows, d, y.dtype()), rows, d, eps, weightOffset,
                code(y), code(x));
        }
    }

    /** dx [n, d] F32 "=" or "+="; dweight [d] F32 +=; dy, x F32|BF16. */
    public void rmsnormBackward(Tensor dx, @Nullable Tensor dweight, Tensor dy, Tensor x, Tensor weight, Tensor rstd,
        float weightOffset, boolean accumulateDx) {
        try (Call call = call("rmsnormBackward")) {
            long rows = call.rows("x", x);
            long d = call.cols("x", x);
            long dxAddress = call.matrix("dx", dx, rows, d, F32);
            long dweightAddress = call.elementsOrNull("dweight", dweight, d, F32);
            long dyAddress = call.matrix("dy", dy, rows, d, F32_OR_BF16);
            long xAddress = call.address("x", x, F32_OR_BF16);
            long weightAddress = call.elements("weight", weight, d, F32);
            long rstdAddress = call.elements("rstd", rstd, rows, F32);
            synchronized (workspace) {
                long bytes = api.rmsnormBackwardWorkspaceBytes(rows, d);
                api.rmsnormBackward(dxAddress, dweightAddress, dyAddress, xAddress, weightAddress, rstdAddress, rows, d,
                    weightOffset, flag(accumulateDx), code(dy), code(x), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /** table [n_tokens, head_dim / 2, 2] F32: cos and sin of positions I32 times invFreq [head_dim / 2] F64. */
    public void ropeTable(Tensor table, Tensor positions, Tensor invFreq) {
        try (Call call = call("ropeTable")) {
            call.require(table.shape().rank() == 3, "table has shape " + table.shape() + ", expected [n_tokens, head_dim / 2, 2]");
            long half = table.dim(1);
            api.ropeTable(call.exact("table", table, F32, positions.numel(), half, 2), call.address("positions", positions, I32),
                call.elements("invFreq", invFreq, half, F64), positions.numel(), 2 * half);
        }
    }

    /** y = x [n_tokens, n_heads, head_dim] F32|BF16 turned by table [n_tokens, head_dim / 2, 2], or turned back; y may alias x. */
    public void rope(Tensor y, Tensor x, Tensor table, boolean inverse) {
        try (Call call = call("rope")) {
            long nTokens = call.leading("x", x, 2);
            long nHeads = x.dim(-2);
            long headDim = x.dim(-1);
            call.require(headDim % 2 == 0, "x has shape " + x.shape() + ", expected an even head_dim");
            call.sameType("y", y, "x", x);
            api.rope(call.like("y", y, "x", x, F32_OR_BF16), call.address("x", x, F32_OR_BF16),
                call.exact("table", table, F32, nTokens, headDim / 2, 2), nTokens, nHeads, headDim, flag(inverse), code(x));
        }
    }

    /** Attention; q, out in any shape of the right size, k, v at least {@link AttentionShape#minKvElements()}, segments I32, lse F32. */
    public void attentionForward(Tensor out, @Nullable Tensor lse, Tensor q, Tensor k, Tensor v, Tensor qSegment, Tensor kSegment,
        AttentionShape s) {
        try (Call call = call("attentionForward")) {
            sameAttentionType(call, q, "out", out, "k", k, "v", v);
            long outAddress = call.elements("out", out, s.queryElements(), F32_OR_BF16);
            long lseAddress = call.elementsOrNull("lse", lse, s.batch() * s.nHeads() * s.nQueries(), F32);
            long qAddress = call.elements("q", q, s.queryElements(), F32_OR_BF16);
            long kAddress = call.atLeast("k", k, s.minKvElements(), F32_OR_BF16);
            long vAddress = call.atLeast("v", v, s.minKvElements(), F32_OR_BF16);
            long qSegmentAddress = call.elements("qSegment", qSegment, s.batch() * s.nQueries(), I32);
            long kSegmentAddress = call.elements("kSegment", kSegment, s.batch() * s.nKeys(), I32);
            synchronized (workspace) {
                long bytes = api.attentionForwardWorkspaceBytes(s.batch(), s.nQueries(), s.nKeys(), s.nHeads(), s.nKvHeads(),
                    s.headDim(), code(q));
                api.attentionForward(outAddress, lseAddress, qAddress, kAddress, vAddress, qSegmentAddress, kSegmentAddress, s.batch(),
                    s.nQueries(), s.nKeys(), s.nHeads(), s.nKvHeads(), s.headDim(), s.kvBatchStride(), s.queryOffset(), s.window(),
                    s.scale(), s.softcap(), code(q), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /** dq, dk, dv (=), dk and dv dense; out and lse are those of the forward call. */
    public void attentionBackward(Tensor dq, Tensor dk, Tensor dv, Tensor dout, Tensor q, Tensor k, Tensor v, Tensor out, Tensor lse,
        Tensor qSegment, Tensor kSegment, AttentionShape s) {
        try (Call call = call("attentionBackward")) {
            sameAttentionType(call, q, "dq", dq, "dk", dk, "dv", dv, "dout", dout, "k", k, "v", v, "out", out);
            long dqAddress = call.elements("dq", dq, s.queryElements(), F32_OR_BF16);
            long dkAddress = call.elements("dk", dk, s.denseKvElements(), F32_OR_BF16);
            long dvAddress = call.elements("dv", dv, s.denseKvElements(), F32_OR_BF16);
            long doutAddress = call.elements("dout", dout, s.queryElements(), F32_OR_BF16);
            long qAddress = call.elements("q", q, s.queryElements(), F32_OR_BF16);
            long kAddress = call.atLeast("k", k, s.minKvElements(), F32_OR_BF16);
            long vAddress = call.atLeast("v", v, s.minKvElements(), F32_OR_BF16);
            long outAddress = call.elements("out", out, s.queryElements(), F32_OR_BF16);
            long lseAddress = call.elements("lse", lse, s.batch() * s.nHeads() * s.nQueries(), F32);
            long qSegmentAddress = call.elements("qSegment", qSegment, s.batch() * s.nQueries(), I32);
            long kSegmentAddress = call.elements("kSegment", kSegment, s.batch() * s.nKeys(), I32);
            synchronized (workspace) {
                long bytes = api.attentionBackwardWorkspaceBytes(s.batch(), s.nQueries(), s.nKeys(), s.nHeads(), s.nKvHeads(),
                    s.headDim(), code(q));
                api.attentionBackward(dqAddress, dkAddress, dvAddress, doutAddress, qAddress, kAddress, vAddress, outAddress, lseAddress,
                    qSegmentAddress, kSegmentAddress, s.batch(), s.nQueries(), s.nKeys(), s.nHeads(), s.nKvHeads(), s.headDim(),
                    s.kvBatchStride(), s.queryOffset(), s.window(), s.scale(), s.softcap(), code(q), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /** Names and tensors by turns, all of q's type. */
    private static void sameAttentionType(Call call, Tensor q, Object... namesAndTensors) {
        for (int i = 0; i < namesAndTensors.length; i += 2) {
            call.sameType((String) namesAndTensors[i], (Tensor) namesAndTensors[i + 1], "q", q);
        }
    }

    /** y = activation(gate) * up, elementwise, one type F32|BF16; y may alias gate or up. */
    public void gluForward(Tensor y, Tensor gate, Tensor up, GluActivation activation) {
        try (Call call = call("gluForward")) {
            api.gluForward(call.like("y", y, "gate", gate, gate.dtype()), call.address("gate", gate, F32_OR_BF16),
                call.like("up", up, "gate", gate, gate.dtype()), gate.numel(), activation.abiCode(), code(gate));
        }
    }

    /** dgate may alias gate, dup may alias up or dy. */
    public void gluBackward(Tensor dgate, Tensor dup, Tensor dy, Tensor gate, Tensor up, GluActivation activation) {
        try (Call call = call("gluBackward")) {
            api.gluBackward(call.like("dgate", dgate, "gate", gate, gate.dtype()), call.like("dup", dup, "gate", gate, gate.dtype()),
                call.like("dy", dy, "gate", gate, gate.dtype()), call.address("gate", gate, F32_OR_BF16),
                call.like("up", up, "gate", gate, gate.dtype()), gate.numel(), activation.abiCode(), code(gate));
        }
    }

    /** y = cap * tanh(x / cap), F32; y may alias x. */
    public void softcapForward(Tensor y, Tensor x, float cap) {
        try (Call call = call("softcapForward")) {
            call.require(cap > 0, "cap is " + cap + ", expected a positive number");
            api.softcapForward(call.like("y", y, "x", x, F32), call.address("x", x, F32), x.numel(), cap);
        }
    }

    /** dx = dy * (1 - (y / cap)^2), F32; dx may alias dy. */
    public void softcapBackward(Tensor dx, Tensor dy, Tensor y, float cap) {
        try (Call call = call("softcapBackward")) {
            call.require(cap > 0, "cap is " + cap + ", expected a positive number");
            api.softcapBackward(call.like("dx", dx, "y", y, F32), call.like("dy", dy, "y", y, F32), call.address("y", y, F32), y.numel(),
                cap);
        }
    }

    /**
     * token_loss [n] F32 and dlogits [n, vocab] F32 of logits [n, vocab] F32; targets I32 (-100 = not counted); dlogits may alias logits.
     */
    public void crossEntropy(Tensor tokenLoss, @Nullable Tensor dlogits, Tensor logits, Tensor targets, @Nullable Tensor tokenWeight) {
        try (Call call = call("crossEntropy")) {
            long n = call.rows("logits", logits);
            long vocab = call.cols("logits", logits);
            call.require(dlogits == null || tokenWeight != null, "dlogits needs tokenWeight");
            api.crossEntropy(call.elements("tokenLoss", tokenLoss, n, F32), call.matrixOrNull("dlogits", dlogits, n, vocab, F32),
                call.address("logits", logits, F32), call.elements("targets", targets, n, I32),
                call.elementsOrNull("tokenWeight", tokenWeight, n, F32), n, vocab);
        }
    }

    /** Bytes of scratch memory that {@link #attentionBackward} takes for so many sequences of one length. */
    public long attentionBackwardWorkspaceBytes(long batch, long length, long nHeads, long nKvHeads, long headDim, io.sails4j.tensor.DType dtype) {
        return api.attentionBackwardWorkspaceBytes(batch, length, length, nHeads, nKvHeads, headDim, dtype.abiCode());
    }

    /** Bytes of scratch memory that {@link #headLoss} takes for so many tokens. */
    public long headLossWorkspaceBytes(long nTokens, long dModel, long vocab, io.sails4j.tensor.DType dtype) {
        return api.headLossWorkspaceBytes(nTokens, dModel, vocab, dtype.abiCode());
    }

    /** token_loss [n] F32, dhidden [n, d_model] F32 (=), dembed [vocab, d_model] F32 (+=); hidden, embed of one type F32|BF16. */
    public void headLoss(Tensor tokenLoss, @Nullable Tensor dhidden, @Nullable Tensor dembed, Tensor hidden, Tensor embed,
        Tensor targets, @Nullable Tensor tokenWeight, float softcap) {
        try (Call call = call("headLoss")) {
            long n = call.rows("hidden", hidden);
            long dModel = call.cols("hidden", hidden);
            long vocab = call.rows("embed", embed);
            call.require(tokenWeight != null || (dhidden == null && dembed == null), "dhidden and dembed need tokenWeight");
            long lossAddress = call.elements("tokenLoss", tokenLoss, n, F32);
            long dhiddenAddress = call.matrixOrNull("dhidden", dhidden, n, dModel, F32);
            long dembedAddress = call.matrixOrNull("dembed", dembed, vocab, dModel, F32);
            long hiddenAddress = call.address("hidden", hidden, F32_OR_BF16);
            long embedAddress = call.matrix("embed", embed, vocab, dModel, hidden.dtype());
            long targetsAddress = call.elements("targets", targets, n, I32);
            long weightAddress = call.elementsOrNull("tokenWeight", tokenWeight, n, F32);
            synchronized (workspace) {
                long bytes = api.headLossWorkspaceBytes(n, dModel, vocab, code(hidden));
                api.headLoss(lossAddress, dhiddenAddress, dembedAddress, hiddenAddress, embedAddress, targetsAddress, weightAddress, n,
                    dModel, vocab, softcap, code(hidden), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /**
     * Preference losses of pairs: results [n_pairs, 4] F64 = log p of the aligned and the unaligned answer, margin, loss; token_weight [n_tokens] F32
     * (or null) = lossScale times the derivative by token_loss [n_tokens] F32. Answers are tokens [starts[i], ends[i]), I32 [2 n_pairs], all aligned
     * ones first, as is reference F64 [2 n_pairs] (null for ORPO); targets [n_tokens] I32, -100 = not counted.
     */
    public void preferenceLoss(Tensor results, @Nullable Tensor tokenWeight, Tensor tokenLoss, Tensor targets, Tensor starts, Tensor ends,
        @Nullable Tensor reference, PreferenceKind kind, double strength, double lossScale) {
        try (Call call = call("preferenceLoss")) {
            long pairs = call.rows("results", results);
            long tokens = tokenLoss.numel();
            call.require(reference != null || kind == PreferenceKind.ORPO, kind + " needs reference");
            api.preferenceLoss(call.matrix("results", results, pairs, 4, DType.F64), call.elementsOrNull("tokenWeight", tokenWeight, tokens, F32),
                call.address("tokenLoss", tokenLoss, F32), call.elements("targets", targets, tokens, I32),
                call.elements("starts", starts, 2 * pairs, I32), call.elements("ends", ends, 2 * pairs, I32),
                call.elementsOrNull("reference", reference, 2 * pairs, DType.F64), pairs, tokens, kind.abiCode(), strength, lossScale);
        }
    }

    /** ids [n] I32 of logits [n, vocab] F32; uniform [n] F32 may be null at temperature 0. */
    public void sample(Tensor ids, Tensor logits, @Nullable Tensor uniform, float temperature, long topK, float topP) {
        try (Call call = call("sample")) {
            long n = call.rows("logits", logits);
            long vocab = call.cols("logits", logits);
            call.require(temperature >= 0, "temperature is " + temperature + ", expected a number >= 0");
            call.require(topK >= 0, "topK is " + topK + ", expected a number >= 0 (0 = all)");
            call.require(topP > 0 && topP <= 1, "topP is " + topP + ", expected a number in (0, 1]");
            call.require(temperature == 0 || uniform != null, "temperature " + temperature + " needs uniform");
            long idsAddress = call.elements("ids", ids, n, I32);
            long logitsAddress = call.address("logits", logits, F32);
            long uniformAddress = call.elementsOrNull("uniform", uniform, n, F32);
            synchronized (workspace) {
                long bytes = api.sampleWorkspaceBytes(n, vocab);
                api.sample(idsAddress, logitsAddress, uniformAddress, n, vocab, temperature, topK, topP, workspace.atLeast(bytes), bytes);
            }
        }
    }

    // ---------------------------------------------------------------- LoRA

    /** y [n, d_out] F32|BF16 += scale * h lora_B^T, h [n, r] F32 (=) = x lora_A^T; x [n, d_in] F32|BF16, lora_A, lora_B F32. */
    public void loraForward(Tensor y, Tensor h, Tensor x, Tensor loraA, Tensor loraB, float scale) {
        try (Call call = call("loraForward")) {
            long n = call.rows("x", x);
            long dIn = call.cols("x", x);
            long r = call.rows("loraA", loraA);
            long dOut = call.rows("loraB", loraB);
            long yAddress = call.matrix("y", y, n, dOut, F32_OR_BF16);
            long hAddress = call.matrix("h", h, n, r, F32);
            long xAddress = call.address("x", x, F32_OR_BF16);
            long loraAAddress = call.exact("loraA", loraA, F32, r, dIn);
            long loraBAddress = call.exact("loraB", loraB, F32, dOut, r);
            synchronized (workspace) {
                long bytes = api.loraForwardWorkspaceBytes(n, dIn, dOut, r);
                api.loraForward(yAddress, hAddress, xAddress, loraAAddress, loraBAddress, n, dIn, dOut, r, scale, code(y), code(x),
                    workspace.atLeast(bytes), bytes);
            }
        }
    }

    /** dx [n, d_in] F32 += (null: not wanted), dlora_A, dlora_B F32 +=; dy [n, d_out], x [n, d_in] F32|BF16, h of the forward. */
    public void loraBackward(@Nullable Tensor dx, Tensor dloraA, Tensor dloraB, Tensor dy, Tensor x, Tensor h, Tensor loraA,
        Tensor loraB, float scale) {
        try (Call call = call("loraBackward")) {
            long n = call.rows("x", x);
            long dIn = call.cols("x", x);
            long r = call.rows("loraA", loraA);
            long dOut = call.rows("loraB", loraB);
            long dxAddress = call.matrixOrNull("dx", dx, n, dIn, F32);
            long dloraAAddress = call.exact("dloraA", dloraA, F32, r, dIn);
            long dloraBAddress = call.exact("dloraB", dloraB, F32, dOut, r);
            long dyAddress = call.matrix("dy", dy, n, dOut, F32_OR_BF16);
            long xAddress = call.address("x", x, F32_OR_BF16);
            long hAddress = call.matrix("h", h, n, r, F32);
            long loraAAddress = call.exact("loraA", loraA, F32, r, dIn);
            long loraBAddress = call.exact("loraB", loraB, F32, dOut, r);
            synchronized (workspace) {
                long bytes = api.loraBackwardWorkspaceBytes(n, dIn, dOut, r);
                api.loraBackward(dxAddress, dloraAAddress, dloraBAddress, dyAddress, xAddress, hAddress, loraAAddress, loraBAddress, n,
                    dIn, dOut, r, scale, code(dy), code(x), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /**
     * h [n, r] F32 (=) = x lora_A^T; y [n, d_out] = residual + bias + x weight^T + scale * h lora_B^T. x, weight [d_out, d_in] F32|BF16, of one
     * type; y F32, or BF16 where x is; bias [d_out] F32 and residual (of y's type and shape, may be y) may be null; h, lora_A [r, d_in], lora_B
     * [d_out, r] F32, all null for no adapter.
     */
    public void linearForward(Tensor y, @Nullable Tensor h, Tensor x, Tensor weight, @Nullable Tensor bias, @Nullable Tensor residual,
        @Nullable Tensor loraA, @Nullable Tensor loraB, float scale) {
        try (Call call = call("linearForward")) {
            long n = call.rows("x", x);
            long dIn = call.cols("x", x);
            long dOut = call.rows("weight", weight);
            long r = loraA == null ? 0 : call.rows("loraA", loraA);
            call.sameType("weight", weight, "x", x);
            long yAddress = call.matrix("y", y, n, dOut, F32_OR_BF16);
            long hAddress = call.matrixOrNull("h", h, n, r, F32);
            long xAddress = call.address("x", x, F32_OR_BF16);
            long weightAddress = call.matrix("weight", weight, dOut, dIn, F32_OR_BF16);
            long biasAddress = bias == null ? 0 : call.elements("bias", bias, dOut, F32);
            if (residual != null) {
                call.sameType("residual", residual, "y", y);
            }
            long residualAddress = call.matrixOrNull("residual", residual, n, dOut, F32_OR_BF16);
            long loraAAddress = loraA == null ? 0 : call.exact("loraA", loraA, F32, r, dIn);
            long loraBAddress = loraB == null ? 0 : call.exact("loraB", loraB, F32, dOut, r);
            synchronized (workspace) {
                long bytes = api.linearForwardWorkspaceBytes(n, dIn, dOut, r, code(y), code(x));
                api.linearForward(yAddress, hAddress, xAddress, weightAddress, biasAddress, residualAddress, loraAAddress, loraBAddress, n, dIn,
                    dOut, r, scale, code(y), code(x), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /**
     * dx [n, d_in] F32 = or += dy weight + dh lora_A with dh = scale * dy lora_B; dlora_A += dh^T x, dlora_B += scale * dy^T h, F32, both null:
     * the adapter is not trained (x and h may then be null). dy [n, d_out], x, weight of one type. Without an adapter the last pointers are null.
     */
    public void linearBackward(Tensor dx, @Nullable Tensor dloraA, @Nullable Tensor dloraB, Tensor dy, @Nullable Tensor x, Tensor weight,
        @Nullable Tensor h, @Nullable Tensor loraA, @Nullable Tensor loraB, float scale, boolean accumulateDx) {
        try (Call call = call("linearBackward")) {
            long n = call.rows("dy", dy);
            long dOut = call.cols("dy", dy);
            long dIn = call.cols("weight", weight);
            long r = loraA == null ? 0 : call.rows("loraA", loraA);
            call.sameType("weight", weight, "dy", dy);
            if (x != null) {
                call.sameType("x", x, "dy", dy);
            }
            long dxAddress = call.matrix("dx", dx, n, dIn, F32);
            long dloraAAddress = dloraA == null ? 0 : call.exact("dloraA", dloraA, F32, r, dIn);
            long dloraBAddress = dloraB == null ? 0 : call.exact("dloraB", dloraB, F32, dOut, r);
            long dyAddress = call.address("dy", dy, F32_OR_BF16);
            long xAddress = call.matrixOrNull("x", x, n, dIn, F32_OR_BF16);
            long weightAddress = call.matrix("weight", weight, dOut, dIn, F32_OR_BF16);
            long hAddress = call.matrixOrNull("h", h, n, r, F32);
            long loraAAddress = loraA == null ? 0 : call.exact("loraA", loraA, F32, r, dIn);
            long loraBAddress = loraB == null ? 0 : call.exact("loraB", loraB, F32, dOut, r);
            synchronized (workspace) {
                long bytes = api.linearBackwardWorkspaceBytes(n, dIn, dOut, r, code(dy));
                api.linearBackward(dxAddress, dloraAAddress, dloraBAddress, dyAddress, xAddress, weightAddress, hAddress, loraAAddress,
                    loraBAddress, n, dIn, dOut, r, scale, flag(accumulateDx), code(dy), workspace.atLeast(bytes), bytes);
            }
        }
    }

    // ---------------------------------------------------------------- decoding: one new token a sequence

    /**
     * Linear maps of one input: ys[i] [n, d_out] = x maps[i]. x and the weights of one type, all ys F32, or BF16 where x is. The operation queued
     * directly before must not write weights of this one, or lora_A.
     */
    public void linearSetForward(List<Tensor> ys, Tensor x, List<LinearMap> maps) {
        try (Call call = call("linearSetForward")) {
            decoding.linearSetForward(call, ys, x, maps);
        }
    }

    /** y [n, d_ff] = act(x gate) * (x up), all of one type; the operation queued directly before must not write weights or lora_A. */
    public void linearGluForward(Tensor y, Tensor x, LinearMap gate, LinearMap up, GluActivation activation) {
        linearGluForward(y, GluKept.NOTHING, x, gate, up, activation);
    }

    /** The same, and what a backward needs of it; with gate and up kept, y is what {@link #gluForward} makes of them. */
    public void linearGluForward(Tensor y, GluKept kept, Tensor x, LinearMap gate, LinearMap up, GluActivation activation) {
        try (Call call = call("linearGluForward")) {
            decoding.linearGluForward(call, y, kept, x, gate, up, activation);
        }
    }

    /**
     * out [n, d] F32 = residual + norm(x) by xWeight (null: residual + x), y [n, d] F32|BF16 = norm(out) by yWeight; out may alias x or residual.
     */
    public void residualNormForward(Tensor out, Tensor y, Tensor x, @Nullable Tensor xWeight, Tensor residual, Tensor yWeight, float eps,
        float weightOffset) {
        try (Call call = call("residualNormForward")) {
            decoding.residualNormForward(call, out, y, x, xWeight, residual, yWeight, eps, weightOffset);
        }
    }

    /**
     * Turns q [batch, n_heads, head_dim] in place, and puts turned k, v and qSegment [batch] I32 at place keyPosition (one I32) of keys, values [batch,
     * capacity, n_kv_heads, head_dim] and kSegment [batch, capacity] I32; table [batch, head_dim / 2, 2].
     */
    public void ropeAppend(Tensor q, Tensor keys, Tensor values, Tensor kSegment, Tensor k, Tensor v, Tensor table, Tensor qSegment,
        Tensor keyPosition) {
        try (Call call = call("ropeAppend")) {
            decoding.ropeAppend(call, q, keys, values, kSegment, k, v, table, qSegment, keyPosition);
        }
    }

    /** Attention of one query a sequence, which stands at key keyPosition of the cache; shapes as in {@link #ropeAppend}, out that of q. */
    public void attentionDecode(Tensor out, Tensor q, Tensor keys, Tensor values, Tensor qSegment, Tensor kSegment, Tensor keyPosition, long window,
        float scale, float softcap) {
        try (Call call = call("attentionDecode")) {
            decoding.attentionDecode(call, out, q, keys, values, qSegment, kSegment, keyPosition, window, scale, softcap);
        }
    }

    /** history [steps, batch] gets ids [batch] in row step; then positions [batch], keyPosition and step count up by one; all I32. */
    public void decodeAdvance(Tensor history, Tensor positions, Tensor keyPosition, Tensor step, Tensor ids) {
        try (Call call = call("decodeAdvance")) {
            decoding.decodeAdvance(call, history, positions, keyPosition, step, ids);
        }
    }

    // ---------------------------------------------------------------- projection, optimizer

    /** y = U U^T g with g [d, n], or with {@code right} y = g U U^T with g [n, d]; basis U [d, r_s]; F32; y may alias g. */
    public void project(Tensor y, Tensor g, Tensor basis, boolean right) {
        try (Call call = call("project")) {
            long d = call.rows("basis", basis);
            long rS = call.cols("basis", basis);
            long rows = call.rows("g", g);
            long cols = call.cols("g", g);
            call.require((right ? cols : rows) == d, "g has shape " + g.shape() + ", which basis " + basis.shape()
                + " cannot project from the " + (right ? "right" : "left"));
            long yAddress = call.matrix("y", y, rows, cols, F32);
            long gAddress = call.address("g", g, F32);
            long basisAddress = call.address("basis", basis, F32);
            long n = right ? rows : cols;
            synchronized (workspace) {
                long bytes = api.projectWorkspaceBytes(d, rS, n);
                api.project(yAddress, gAddress, basisAddress, d, rS, n, flag(right), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /**
     * {@link #project} of a whole set at once: ys[i] = gs[i] held to the span of bases[i], from the right where right[i]; ys[i] may alias gs[i].
     */
    public void projectSet(List<Tensor> ys, List<Tensor> gs, List<Tensor> bases, boolean[] right) {
        try (Call call = call("projectSet")) {
            ProjectedSizes s = projectedSizes(call, "gs", gs, bases, right);
            requireShapes(call, "ys", ys, gs);
            long[] yAddresses = addresses(call, "ys", ys);
            long[] gAddresses = addresses(call, "gs", gs);
            long[] basisAddresses = addresses(call, "bases", bases);
            synchronized (workspace) {
                long bytes = api.projectSetWorkspaceBytes(s.d, s.rS, s.n);
                api.projectSet(yAddresses, gAddresses, basisAddresses, s.d, s.rS, s.n, s.right, workspace.atLeast(bytes), bytes);
            }
        }
    }

    /** The sizes of a set of projections in the words of {@code sails.h}. */
    private record ProjectedSizes(long[] d, long[] rS, long[] n, int[] right) {
    }

    private static ProjectedSizes projectedSizes(Call call, String name, List<Tensor> gs, List<Tensor> bases, boolean[] right) {
        int count = gs.size();
        call.require(bases.size() == count && right.length == count,
            name + " are " + count + " matrices, with " + bases.size() + " bases and " + right.length + " sides");
        ProjectedSizes s = new ProjectedSizes(new long[count], new long[count], new long[count], new int[count]);
        for (int i = 0; i < count; i++) {
            String at = "[" + i + "]";
            Tensor g = gs.get(i);
            Tensor basis = bases.get(i);
            s.d[i] = call.rows("bases" + at, basis);
            s.rS[i] = call.cols("bases" + at, basis);
            long rows = call.rows(name + at, g);
            long cols = call.cols(name + at, g);
            call.require((right[i] ? cols : rows) == s.d[i], name + at + " has shape " + g.shape() + ", which bases" + at + " "
                + basis.shape() + " cannot project from the " + (right[i] ? "right" : "left"));
            s.n[i] = right[i] ? rows : cols;
            s.right[i] = flag(right[i]);
        }
        return s;
    }

    private static void requireShapes(Call call, String name, List<Tensor> tensors, List<Tensor> like) {
        call.require(tensors.size() == like.size(), name + " are " + tensors.size() + " matrices, expected " + like.size());
        for (int i = 0; i < like.size(); i++) {
            call.require(tensors.get(i).shape().equals(like.get(i).shape()),
                name + "[" + i + "] has shape " + tensors.get(i).shape() + ", expected " + like.get(i).shape());
        }
    }

    /** Numbers of {@link #adamwRates}. */
    public static final int ADAMW_RATES = 9;

    /** rates [9] F32 = what {@link #adamw} does in a step (counted from 1), whose gradients are multiplied by gradScale first. */
    public void adamwRates(Tensor rates, long step, double gradScale, AdamwOptions options) {
        try (Call call = call("adamwRates")) {
            call.require(step >= 1, "step is " + step + ", expected a number >= 1");
            api.adamwRates(call.elements("rates", rates, ADAMW_RATES, F32), step, gradScale, options.lr(), options.beta1(), options.beta2(),
                options.eps(), options.weightDecay());
        }
    }

    /** One AdamW step on lists of F32 tensors of equal sizes, by rates [9] F32 of {@link #adamwRates}. */
    public void adamw(List<Tensor> params, List<Tensor> m, List<Tensor> v, List<Tensor> grads, Tensor rates) {
        try (Call call = call("adamw")) {
            long[] sizes = sizes(params);
            requireSizes(call, "m", m, sizes);
            requireSizes(call, "v", v, sizes);
            requireSizes(call, "grads", grads, sizes);
            api.adamw(addresses(call, "params", params), addresses(call, "m", m), addresses(call, "v", v), addresses(call, "grads", grads),
                call.elements("rates", rates, ADAMW_RATES, F32), sizes);
        }
    }

    /**
     * {@link #adamw} on matrices that are held to subspaces: the gradient is projected before the moments see it (grads stay as they are), or the
     * matrix after its step. bases[i] [d, r_s]; params[i] [d, n], or [n, d] where right[i].
     */
    public void adamwProjected(List<Tensor> params, List<Tensor> m, List<Tensor> v, List<Tensor> grads, List<Tensor> bases, boolean[] right,
        Projected projected, Tensor rates) {
        try (Call call = call("adamwProjected")) {
            ProjectedSizes s = projectedSizes(call, "params", params, bases, right);
            requireShapes(call, "m", m, params);
            requireShapes(call, "v", v, params);
            requireShapes(call, "grads", grads, params);
            long[] paramAddresses = addresses(call, "params", params);
            long[] mAddresses = addresses(call, "m", m);
            long[] vAddresses = addresses(call, "v", v);
            long[] gradAddresses = addresses(call, "grads", grads);
            long[] basisAddresses = addresses(call, "bases", bases);
            long ratesAddress = call.elements("rates", rates, ADAMW_RATES, F32);
            synchronized (workspace) {
                long bytes = api.adamwProjectedWorkspaceBytes(s.d, s.rS, s.n);
                api.adamwProjected(paramAddresses, mAddresses, vAddresses, gradAddresses, basisAddresses, ratesAddress, s.d, s.rS, s.n, s.right,
                    projected.abiCode(), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /** Elements that share a scale in {@link #adamw8bit}. */
    public static final int ADAMW_BLOCK = 256;

    /** The state of one tensor of {@code n} elements in {@link #adamw8bit}: elements of {@code q} (I32, four codes each) and of {@code absmax} F32. */
    public static long[] adamw8bitSizes(long n) {
        long blocks = Math.ceilDiv(n, (long) ADAMW_BLOCK);
        return new long[] {blocks * ADAMW_BLOCK / Integer.BYTES, blocks};
    }

    /**
     * {@link #adamw} with moments in 8 bits by blocks: m and v hold the codes, four an I32 element, mAbsmax and vAbsmax F32 the blocks' scales, in
     * the sizes of {@link #adamw8bitSizes}; mCode, vCode [256] F32 rising.
     */
    public void adamw8bit(List<Tensor> params, List<Tensor> m, List<Tensor> v, List<Tensor> mAbsmax, List<Tensor> vAbsmax, List<Tensor> grads,
        Tensor mCode, Tensor vCode, Tensor rates) {
        try (Call call = call("adamw8bit")) {
            long[] sizes = sizes(params);
            requireSizes(call, "grads", grads, sizes);
            long[] codes = Arrays.stream(sizes).map(n -> adamw8bitSizes(n)[0]).toArray();
            long[] blocks = Arrays.stream(sizes).map(n -> adamw8bitSizes(n)[1]).toArray();
            requireSizes(call, "m", m, codes);
            requireSizes(call, "v", v, codes);
            requireSizes(call, "mAbsmax", mAbsmax, blocks);
            requireSizes(call, "vAbsmax", vAbsmax, blocks);
            api.adamw8bit(addresses(call, "params", params), addresses(call, "m", m, I32), addresses(call, "v", v, I32),
                addresses(call, "mAbsmax", mAbsmax), addresses(call, "vAbsmax", vAbsmax), addresses(call, "grads", grads),
                call.elements("mCode", mCode, ADAMW_BLOCK, F32), call.elements("vCode", vCode, ADAMW_BLOCK, F32),
                call.elements("rates", rates, ADAMW_RATES, F32), sizes);
        }
    }

    /** norm [d_out] F32 = the lengths of the rows of weight [d_out, d_in] F32|BF16 + scale lora_b [d_out, r] lora_a [r, d_in], both F32. */
    public void doraNorm(Tensor norm, Tensor weight, Tensor loraA, Tensor loraB, float scale) {
        try (Call call = call("doraNorm")) {
            long dOut = call.rows("weight", weight);
            long dIn = call.cols("weight", weight);
            long r = call.rows("loraA", loraA);
            api.doraNorm(call.elements("norm", norm, dOut, F32), call.address("weight", weight, F32_OR_BF16),
                call.matrix("loraA", loraA, r, dIn, F32), call.matrix("loraB", loraB, dOut, r, F32), dOut, dIn, r, scale, code(weight));
        }
    }

    /** y [n, d_out] F32|BF16 = u [n, d_out] F32 times magnitude / norm, both [d_out] F32, by columns; y may alias u. */
    public void doraForward(Tensor y, Tensor u, Tensor magnitude, Tensor norm) {
        try (Call call = call("doraForward")) {
            long n = call.rows("u", u);
            long dOut = call.cols("u", u);
            api.doraForward(call.matrix("y", y, n, dOut, F32_OR_BF16), call.address("u", u, F32), call.elements("magnitude", magnitude, dOut, F32),
                call.elements("norm", norm, dOut, F32), n, dOut, code(y));
        }
    }

    /** du [n, d_out] = dy times magnitude / norm, may alias dy; dmagnitude [d_out] F32 += sum over n of dy u / norm; dy, du F32|BF16 of one type. */
    public void doraBackward(Tensor du, @Nullable Tensor dmagnitude, Tensor dy, Tensor u, Tensor magnitude, Tensor norm) {
        try (Call call = call("doraBackward")) {
            long n = call.rows("u", u);
            long dOut = call.cols("u", u);
            call.sameType("du", du, "dy", dy);
            api.doraBackward(call.matrix("du", du, n, dOut, F32_OR_BF16), call.elementsOrNull("dmagnitude", dmagnitude, dOut, F32),
                call.matrix("dy", dy, n, dOut, F32_OR_BF16), call.address("u", u, F32), call.elements("magnitude", magnitude, dOut, F32),
                call.elements("norm", norm, dOut, F32), n, dOut, code(dy));
        }
    }

    private static void requireSizes(Call call, String name, List<Tensor> tensors, long[] sizes) {
        call.require(Arrays.equals(sizes(tensors), sizes),
            name + " has tensors of sizes " + Arrays.toString(sizes(tensors)) + ", params of " + Arrays.toString(sizes));
    }

    // ---------------------------------------------------------------- sparse autoencoders

    /**
     * indices I32, values F32 [n_tokens, capacity], counts [n_tokens] I32 (true counts, may exceed the capacity) of x [n_tokens, d_in];
     * w_enc [d_in, d_sae] of x's type F32|BF16; bias, threshold, scale, gate_bias [d_sae] F32; k for topk only.
     */
    public void saeEncode(Tensor indices, Tensor values, Tensor counts, Tensor x, Tensor wEnc, @Nullable Tensor bias,
        @Nullable Tensor threshold, @Nullable Tensor scale, @Nullable Tensor gateBias, SaeActivation activation, long k) {
        try (Call call = call("saeEncode")) {
            long n = call.rows("x", x);
            long dIn = call.cols("x", x);
            long dSae = call.cols("wEnc", wEnc);
            long capacity = call.cols("indices", indices);
            requireVectors(call, activation, threshold, gateBias);
            call.require(activation != SaeActivation.TOPK || k >= 0, "k is " + k + ", expected a number >= 0");
            long indicesAddress = call.matrix("indices", indices, n, capacity, I32);
            long valuesAddress = call.matrix("values", values, n, capacity, F32);
            long countsAddress = call.elements("counts", counts, n, I32);
            long xAddress = call.address("x", x, F32_OR_BF16);
            long wEncAddress = call.matrix("wEnc", wEnc, dIn, dSae, x.dtype());
            long biasAddress = call.elementsOrNull("bias", bias, dSae, F32);
            long thresholdAddress = call.elementsOrNull("threshold", threshold, dSae, F32);
            long scaleAddress = call.elementsOrNull("scale", scale, dSae, F32);
            long gateBiasAddress = call.elementsOrNull("gateBias", gateBias, dSae, F32);
            synchronized (workspace) {
                long bytes = api.saeEncodeWorkspaceBytes(n, dIn, dSae, activation.abiCode(), k, code(x));
                api.saeEncode(indicesAddress, valuesAddress, countsAddress, xAddress, wEncAddress, biasAddress, thresholdAddress,
                    scaleAddress, gateBiasAddress, n, dIn, dSae, capacity, activation.abiCode(), k, code(x), workspace.atLeast(bytes),
                    bytes);
            }
        }
    }

    /** dx [n_tokens, d_in] F32 (=) from dvalues [n_tokens, capacity] F32; w_enc [d_in, d_sae] F32|BF16. */
    public void saeEncodeBackward(Tensor dx, Tensor dvalues, Tensor indices, Tensor counts, Tensor wEnc, @Nullable Tensor scale) {
        try (Call call = call("saeEncodeBackward")) {
            long n = call.rows("indices", indices);
            long capacity = call.cols("indices", indices);
            long dIn = call.rows("wEnc", wEnc);
            long dSae = call.cols("wEnc", wEnc);
            api.saeEncodeBackward(call.matrix("dx", dx, n, dIn, F32), call.matrix("dvalues", dvalues, n, capacity, F32),
                call.address("indices", indices, I32), call.elements("counts", counts, n, I32), call.address("wEnc", wEnc, F32_OR_BF16),
                call.elementsOrNull("scale", scale, dSae, F32), n, dIn, dSae, capacity, code(wEnc));
        }
    }

    /** recon [n_tokens, d_in] F32 = bias + the active features' rows of w_dec [d_sae, d_in] F32|BF16, weighted. */
    public void saeDecode(Tensor recon, Tensor indices, Tensor values, Tensor counts, Tensor wDec, @Nullable Tensor bias,
        @Nullable Tensor scale) {
        try (Call call = call("saeDecode")) {
            long n = call.rows("indices", indices);
            long capacity = call.cols("indices", indices);
            long dSae = call.rows("wDec", wDec);
            long dIn = call.cols("wDec", wDec);
            api.saeDecode(call.matrix("recon", recon, n, dIn, F32), call.address("indices", indices, I32),
                call.matrix("values", values, n, capacity, F32), call.elements("counts", counts, n, I32),
                call.address("wDec", wDec, F32_OR_BF16), call.elementsOrNull("bias", bias, dIn, F32),
                call.elementsOrNull("scale", scale, dSae, F32), n, dIn, dSae, capacity, code(wDec));
        }
    }

    /** dvalues [n_tokens, capacity] F32 from drecon [n_tokens, d_in] F32; slots past the count are not written. */
    public void saeDecodeBackward(Tensor dvalues, Tensor drecon, Tensor indices, Tensor counts, Tensor wDec, @Nullable Tensor scale) {
        try (Call call = call("saeDecodeBackward")) {
            long n = call.rows("indices", indices);
            long capacity = call.cols("indices", indices);
            long dSae = call.rows("wDec", wDec);
            long dIn = call.cols("wDec", wDec);
            api.saeDecodeBackward(call.matrix("dvalues", dvalues, n, capacity, F32), call.matrix("drecon", drecon, n, dIn, F32),
                call.address("indices", indices, I32), call.elements("counts", counts, n, I32), call.address("wDec", wDec, F32_OR_BF16),
                call.elementsOrNull("scale", scale, dSae, F32), n, dIn, dSae, capacity, code(wDec));
        }
    }

    /** acts [n_tokens, d_sae] F32: the codes written out densely. */
    public void saeDensify(Tensor acts, Tensor indices, Tensor values, Tensor counts) {
        try (Call call = call("saeDensify")) {
            long n = call.rows("indices", indices);
            long capacity = call.cols("indices", indices);
            long dSae = call.cols("acts", acts);
            api.saeDensify(call.matrix("acts", acts, n, dSae, F32), call.address("indices", indices, I32),
                call.matrix("values", values, n, capacity, F32), call.elements("counts", counts, n, I32), n, dSae, capacity);
        }
    }

    /** sum, active [n_classes, d_sae] F64 +=; token_class [n_tokens] I32, negative = left out; token_weight [n_tokens] F32. */
    public void saeAccumulate(Tensor sum, @Nullable Tensor active, Tensor indices, Tensor values, Tensor counts, Tensor tokenClass,
        @Nullable Tensor tokenWeight) {
        try (Call call = call("saeAccumulate")) {
            long n = call.rows("indices", indices);
            long capacity = call.cols("indices", indices);
            long nClasses = call.rows("sum", sum);
            long dSae = call.cols("sum", sum);
            api.saeAccumulate(call.address("sum", sum, F64), call.matrixOrNull("active", active, nClasses, dSae, F64),
                call.address("indices", indices, I32), call.matrix("values", values, n, capacity, F32),
                call.elements("counts", counts, n, I32), call.elements("tokenClass", tokenClass, n, I32),
                call.elementsOrNull("tokenWeight", tokenWeight, n, F32), n, dSae, capacity, nClasses);
        }
    }

    /**
     * sum, sum_squares, active [n_classes, d_sae] F64 += the statistics of {@link #saeEncode}'s features by class of the token, in one pass and
     * without codes; token_class [n_tokens] I32, negative = left out; token_weight [n_tokens] F32. Not for topk.
     */
    public void saeStatistics(Tensor sum, @Nullable Tensor sumSquares, @Nullable Tensor active, Tensor x, Tensor wEnc, @Nullable Tensor bias,
        @Nullable Tensor threshold, @Nullable Tensor scale, @Nullable Tensor gateBias, Tensor tokenClass, @Nullable Tensor tokenWeight,
        SaeActivation activation) {
        try (Call call = call("saeStatistics")) {
            long n = call.rows("x", x);
            long dIn = call.cols("x", x);
            long dSae = call.cols("wEnc", wEnc);
            long nClasses = call.rows("sum", sum);
            call.require(activation != SaeActivation.TOPK, "topk needs the whole row: take saeEncode and saeAccumulate");
            requireVectors(call, activation, threshold, gateBias);
            long sumAddress = call.matrix("sum", sum, nClasses, dSae, F64);
            long squaresAddress = call.matrixOrNull("sumSquares", sumSquares, nClasses, dSae, F64);
            long activeAddress = call.matrixOrNull("active", active, nClasses, dSae, F64);
            long xAddress = call.address("x", x, F32_OR_BF16);
            long wEncAddress = call.matrix("wEnc", wEnc, dIn, dSae, x.dtype());
            long biasAddress = call.elementsOrNull("bias", bias, dSae, F32);
            long thresholdAddress = call.elementsOrNull("threshold", threshold, dSae, F32);
            long scaleAddress = call.elementsOrNull("scale", scale, dSae, F32);
            long gateBiasAddress = call.elementsOrNull("gateBias", gateBias, dSae, F32);
            long classAddress = call.elements("tokenClass", tokenClass, n, I32);
            long weightAddress = call.elementsOrNull("tokenWeight", tokenWeight, n, F32);
            synchronized (workspace) {
                long bytes = api.saeStatisticsWorkspaceBytes(n, dIn, dSae, nClasses, activation.abiCode(), code(x));
                api.saeStatistics(sumAddress, squaresAddress, activeAddress, xAddress, wEncAddress, biasAddress, thresholdAddress, scaleAddress,
                    gateBiasAddress, classAddress, weightAddress, n, dIn, dSae, nClasses, activation.abiCode(), code(x),
                    workspace.atLeast(bytes), bytes);
            }
        }
    }

    private static void requireVectors(Call call, SaeActivation activation, @Nullable Tensor threshold, @Nullable Tensor gateBias) {
        call.require(activation != SaeActivation.JUMPRELU || threshold != null, "jumprelu needs threshold");
        call.require(activation != SaeActivation.GATED || gateBias != null, "gated needs gateBias");
    }

    /** y [n, d] F32 = (x - mean) / (std + eps), mean, std [n] F32 (=); y may alias x. */
    public void standardizeForward(Tensor y, Tensor mean, Tensor std, Tensor x, float eps) {
        try (Call call = call("standardizeForward")) {
            long rows = call.rows("x", x);
            long cols = call.cols("x", x);
            api.standardizeForward(call.matrix("y", y, rows, cols, F32), call.elements("mean", mean, rows, F32),
                call.elements("std", std, rows, F32), call.address("x", x, F32), rows, cols, eps);
        }
    }

    /** dx [n, d] F32 (=): through y, and through mean and std where dmean, dstd [n] are given. */
    public void standardizeBackward(Tensor dx, Tensor dy, @Nullable Tensor dmean, @Nullable Tensor dstd, Tensor x, Tensor mean,
        Tensor std, float eps) {
        try (Call call = call("standardizeBackward")) {
            long rows = call.rows("x", x);
            long cols = call.cols("x", x);
            api.standardizeBackward(call.matrix("dx", dx, rows, cols, F32), call.matrix("dy", dy, rows, cols, F32),
                call.elementsOrNull("dmean", dmean, rows, F32), call.elementsOrNull("dstd", dstd, rows, F32), call.address("x", x, F32),
                call.elements("mean", mean, rows, F32), call.elements("std", std, rows, F32), rows, cols, eps);
        }
    }

    /** y [n, d] F32 = x * std[i] + mean[i]; y may alias x. */
    public void unstandardizeForward(Tensor y, Tensor x, Tensor mean, Tensor std) {
        try (Call call = call("unstandardizeForward")) {
            long rows = call.rows("x", x);
            long cols = call.cols("x", x);
            api.unstandardizeForward(call.matrix("y", y, rows, cols, F32), call.address("x", x, F32),
                call.elements("mean", mean, rows, F32), call.elements("std", std, rows, F32), rows, cols);
        }
    }

    /** dx [n, d] = dy * std[i], dmean[i] = sum_j dy, dstd[i] = sum_j dy * x (all =), F32; dx may alias dy. */
    public void unstandardizeBackward(Tensor dx, Tensor dmean, Tensor dstd, Tensor dy, Tensor x, Tensor std) {
        try (Call call = call("unstandardizeBackward")) {
            long rows = call.rows("x", x);
            long cols = call.cols("x", x);
            api.unstandardizeBackward(call.matrix("dx", dx, rows, cols, F32), call.elements("dmean", dmean, rows, F32),
                call.elements("dstd", dstd, rows, F32), call.matrix("dy", dy, rows, cols, F32), call.address("x", x, F32),
                call.elements("std", std, rows, F32), rows, cols);
        }
    }
}
