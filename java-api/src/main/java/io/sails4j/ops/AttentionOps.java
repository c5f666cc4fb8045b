package io.sails4j.ops;

import static io.sails4j.ops.Call.F32_OR_BF16;
import static io.sails4j.ops.Call.code;
import static io.sails4j.tensor.DType.F32;
import static io.sails4j.tensor.DType.I32;

import io.sails4j.ffi.AttentionFunctions;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** The section "attention" of {@code sails.h}: attention over whole sequences. See {@link Ops}. */
public final class AttentionOps {
    private final Device device;
    private final AttentionFunctions api;
    private final Workspace workspace;

    AttentionOps(Device device, AttentionFunctions api, Workspace workspace) {
        this.device = device;
        this.api = api;
        this.workspace = workspace;
    }

    /**
     * Attention of q over k and v with grouped heads, soft-cap, window and segments: out and q [batch, n_queries, n_heads, head_dim] in any
     * shape of that size, k and v at least {@link AttentionShape#minKvElements()}, all of one type F32|BF16; qSegment [batch, n_queries]
     * and kSegment [batch, n_keys] I32, 0 = padding; lse [batch, n_heads, n_queries] F32.
     */
    public void attentionForward(Tensor out, @Nullable Tensor lse, Tensor q, Tensor k, Tensor v, Tensor qSegment, Tensor kSegment,
        AttentionShape s) {
        try (Call call = new Call(device, "attentionForward")) {
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

    /** Bytes of scratch memory that {@link #attentionBackward} takes for so many sequences of one length. */
    public long attentionBackwardWorkspaceBytes(long batch, long length, long nHeads, long nKvHeads, long headDim, DType dtype) {
        return api.attentionBackwardWorkspaceBytes(batch, length, length, nHeads, nKvHeads, headDim, dtype.abiCode());
    }

    /**
     * The gradients of {@link #attentionForward}: dq, dk, dv (=) of q's type, dk and dv dense [batch, n_keys, n_kv_heads, head_dim]; dout,
     * out, q, k, v of that type too; out and lse are those of the forward call.
     */
    public void attentionBackward(Tensor dq, Tensor dk, Tensor dv, Tensor dout, Tensor q, Tensor k, Tensor v, Tensor out, Tensor lse,
        Tensor qSegment, Tensor kSegment, AttentionShape s) {
        try (Call call = new Call(device, "attentionBackward")) {
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
}
