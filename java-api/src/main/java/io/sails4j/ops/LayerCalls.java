package io.sails4j.ops;

import static io.sails4j.ops.Call.F32_OR_BF16;
import static io.sails4j.ops.Call.code;
import static io.sails4j.ops.Call.flag;
import static io.sails4j.tensor.DType.F32;
import static io.sails4j.tensor.DType.F64;
import static io.sails4j.tensor.DType.I32;

import io.sails4j.ffi.NativeDevice;
import io.sails4j.ffi.NativeLayers;
import io.sails4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** The operations of {@link Ops} in the section "transformer layers" of {@code sails.h}. */
final class LayerCalls {
    private final NativeLayers api;
    private final Workspace workspace;

    LayerCalls(NativeDevice device, Workspace workspace) {
        this.api = device.layers();
        this.workspace = workspace;
    }

    void embeddingForward(Call call, Tensor y, Tensor ids, Tensor table, float scale) {
        long vocab = call.rows("table", table);
        long dModel = call.cols("table", table);
        long nTokens = ids.numel();
        api.embeddingForward(call.matrix("y", y, nTokens, dModel, F32_OR_BF16), call.address("ids", ids, I32),
            call.address("table", table, F32_OR_BF16), nTokens, vocab, dModel, scale, code(y), code(table));
    }

    void embeddingBackward(Call call, Tensor dtable, Tensor dy, Tensor ids, float scale) {
        long vocab = call.rows("dtable", dtable);
        long dModel = call.cols("dtable", dtable);
        long nTokens = ids.numel();
        api.embeddingBackward(call.address("dtable", dtable, F32), call.matrix("dy", dy, nTokens, dModel, F32),
            call.address("ids", ids, I32), nTokens, vocab, dModel, scale);
    }

    void rmsnormForward(Call call, Tensor y, @Nullable Tensor rstd, Tensor x, Tensor weight, @Nullable Tensor residual, float eps,
        float weightOffset) {
        long rows = call.rows("x", x);
        long d = call.cols("x", x);
        api.rmsnormForward(call.matrix("y", y, rows, d, F32_OR_BF16), call.elementsOrNull("rstd", rstd, rows, F32),
            call.address("x", x, F32_OR_BF16), call.elements("weight", weight, d, F32),
            call.matrixOrNull("residual", residual, rows, d, y.dtype()), rows, d, eps, weightOffset,
            code(y), code(x));
    }

    void rmsnormBackward(Call call, Tensor dx, @Nullable Tensor dweight, Tensor dy, Tensor x, Tensor weight, Tensor rstd,
        float weightOffset, boolean accumulateDx) {
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

    void ropeTable(Call call, Tensor table, Tensor positions, Tensor invFreq) {
        call.require(table.shape().rank() == 3, "table has shape " + table.shape() + ", expected [n_tokens, head_dim / 2, 2]");
        long half = table.dim(1);
        api.ropeTable(call.exact("table", table, F32, positions.numel(), half, 2), call.address("positions", positions, I32),
            call.elements("invFreq", invFreq, half, F64), positions.numel(), 2 * half);
    }

    void rope(Call call, Tensor y, Tensor x, Tensor table, boolean inverse) {
        long nTokens = call.leading("x", x, 2);
        long nHeads = x.dim(-2);
        long headDim = x.dim(-1);
        call.require(headDim % 2 == 0, "x has shape " + x.shape() + ", expected an even head_dim");
        call.sameType("y", y, "x", x);
        api.rope(call.like("y", y, "x", x, F32_OR_BF16), call.address("x", x, F32_OR_BF16),
            call.exact("table", table, F32, nTokens, headDim / 2, 2), nTokens, nHeads, headDim, flag(inverse), code(x));
    }

    void attentionForward(Call call, Tensor out, @Nullable Tensor lse, Tensor q, Tensor k, Tensor v, Tensor qSegment, Tensor kSegment,
        AttentionShape s) {
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

    void attentionBackward(Call call, Tensor dq, Tensor dk, Tensor dv, Tensor dout, Tensor q, Tensor k, Tensor v, Tensor out, Tensor lse,
        Tensor qSegment, Tensor kSegment, AttentionShape s) {
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

    void gluForward(Call call, Tensor y, Tensor gate, Tensor up, GluActivation activation) {
        api.gluForward(call.like("y", y, "gate", gate, gate.dtype()), call.address("gate", gate, F32_OR_BF16),
            call.like("up", up, "gate", gate, gate.dtype()), gate.numel(), activation.abiCode(), code(gate));
    }

    void gluBackward(Call call, Tensor dgate, Tensor dup, Tensor dy, Tensor gate, Tensor up, GluActivation activation) {
        api.gluBackward(call.like("dgate", dgate, "gate", gate, gate.dtype()), call.like("dup", dup, "gate", gate, gate.dtype()),
            call.like("dy", dy, "gate", gate, gate.dtype()), call.address("gate", gate, F32_OR_BF16),
            call.like("up", up, "gate", gate, gate.dtype()), gate.numel(), activation.abiCode(), code(gate));
    }

    void softcapForward(Call call, Tensor y, Tensor x, float cap) {
        call.require(cap > 0, "cap is " + cap + ", expected a positive number");
        api.softcapForward(call.like("y", y, "x", x, F32), call.address("x", x, F32), x.numel(), cap);
    }

    void softcapBackward(Call call, Tensor dx, Tensor dy, Tensor y, float cap) {
        call.require(cap > 0, "cap is " + cap + ", expected a positive number");
        api.softcapBackward(call.like("dx", dx, "y", y, F32), call.like("dy", dy, "y", y, F32), call.address("y", y, F32), y.numel(),
            cap);
    }

    void crossEntropy(Call call, Tensor tokenLoss, @Nullable Tensor dlogits, Tensor logits, Tensor targets, @Nullable Tensor tokenWeight) {
        long n = call.rows("logits", logits);
        long vocab = call.cols("logits", logits);
        call.require(dlogits == null || tokenWeight != null, "dlogits needs tokenWeight");
        api.crossEntropy(call.elements("tokenLoss", tokenLoss, n, F32), call.matrixOrNull("dlogits", dlogits, n, vocab, F32),
            call.address("logits", logits, F32), call.elements("targets", targets, n, I32),
            call.elementsOrNull("tokenWeight", tokenWeight, n, F32), n, vocab);
    }

    void headLoss(Call call, Tensor tokenLoss, @Nullable Tensor dhidden, @Nullable Tensor dembed, Tensor hidden, Tensor embed,
        Tensor targets, @Nullable Tensor tokenWeight, float softcap) {
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

    void preferenceLoss(Call call, Tensor results, @Nullable Tensor tokenWeight, Tensor tokenLoss, Tensor targets, Tensor starts, Tensor ends,
        @Nullable Tensor reference, PreferenceKind kind, double strength, double lossScale) {
        long pairs = call.rows("results", results);
        long tokens = tokenLoss.numel();
        call.require(reference != null || kind == PreferenceKind.ORPO, kind + " needs reference");
        api.preferenceLoss(call.matrix("results", results, pairs, 4, F64), call.elementsOrNull("tokenWeight", tokenWeight, tokens, F32),
            call.address("tokenLoss", tokenLoss, F32), call.elements("targets", targets, tokens, I32),
            call.elements("starts", starts, 2 * pairs, I32), call.elements("ends", ends, 2 * pairs, I32),
            call.elementsOrNull("reference", reference, 2 * pairs, F64), pairs, tokens, kind.abiCode(), strength, lossScale);
    }

    void sample(Call call, Tensor ids, Tensor logits, @Nullable Tensor uniform, float temperature, long topK, float topP) {
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

    /** Names and tensors by turns, all of q's type. */
    private static void sameAttentionType(Call call, Tensor q, Object... namesAndTensors) {
        for (int i = 0; i < namesAndTensors.length; i += 2) {
            call.sameType((String) namesAndTensors[i], (Tensor) namesAndTensors[i + 1], "q", q);
        }
    }
}
