package io.sails4j.ops;

import static io.sails4j.ops.Call.F32_OR_BF16;
import static io.sails4j.ops.Call.code;
import static io.sails4j.tensor.DType.F32;
import static io.sails4j.tensor.DType.I32;

import io.sails4j.ffi.DecodingFunctions;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Tensor;

/** The section "decoding" of {@code sails.h}: one new token a sequence over a cache. See {@link Ops}. */
public final class DecodingOps {
    private final Device device;
    private final DecodingFunctions api;
    private final Workspace workspace;

    DecodingOps(Device device, DecodingFunctions api, Workspace workspace) {
        this.device = device;
        this.api = api;
        this.workspace = workspace;
    }

    /**
     * Turns q [batch, n_heads, head_dim] in place, and puts turned k, v and qSegment [batch] I32 at place keyPosition (one I32) of keys,
     * values [batch, capacity, n_kv_heads, head_dim] and kSegment [batch, capacity] I32; table [batch, head_dim / 2, 2].
     */
    public void ropeAppend(Tensor q, Tensor keys, Tensor values, Tensor kSegment, Tensor k, Tensor v, Tensor table, Tensor qSegment,
        Tensor keyPosition) {
        try (Call call = new Call(device, "ropeAppend")) {
            Cache cache = new Cache(call, q, keys, values, kSegment, qSegment, keyPosition);
            call.require(cache.headDim % 2 == 0, () -> "q has shape " + q.shape() + ", expected an even head_dim");
            call.sameType("k", k, "q", q);
            call.sameType("v", v, "q", q);
            long row = cache.batch * cache.nKvHeads * cache.headDim;
            api.ropeAppend(cache.q, cache.keys, cache.values, cache.kSegment, call.elements("k", k, row, F32_OR_BF16),
                call.elements("v", v, row, F32_OR_BF16), call.exact("table", table, F32, cache.batch, cache.headDim / 2, 2), cache.qSegment,
                cache.keyPosition, cache.batch, cache.capacity, cache.nHeads, cache.nKvHeads, cache.headDim, code(q));
        }
    }

    /** Attention of one query a sequence, which stands at key keyPosition of the cache; shapes as in {@link #ropeAppend}, out that of q. */
    public void attentionDecode(Tensor out, Tensor q, Tensor keys, Tensor values, Tensor qSegment, Tensor kSegment, Tensor keyPosition,
        long window, float scale, float softcap) {
        try (Call call = new Call(device, "attentionDecode")) {
            Cache c = new Cache(call, q, keys, values, kSegment, qSegment, keyPosition);
            call.require(window >= 0, () -> "window is " + window + ", expected 0 (all keys) or more");
            call.require(softcap >= 0, () -> "softcap is " + softcap + ", expected 0 (none) or more");
            call.sameType("out", out, "q", q);
            long outAddress = call.like("out", out, "q", q, F32_OR_BF16);
            synchronized (workspace) {
                long bytes = api.attentionDecodeWorkspaceBytes(c.batch, c.capacity, c.nHeads, c.nKvHeads, c.headDim, window, code(q));
                api.attentionDecode(outAddress, c.q, c.keys, c.values, c.qSegment, c.kSegment, c.keyPosition, c.batch, c.capacity, c.nHeads,
                    c.nKvHeads, c.headDim, window, scale, softcap, code(q), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /** history [steps, batch] gets ids [batch] in row step; then positions [batch], keyPosition and step count up by one; all I32. */
    public void decodeAdvance(Tensor history, Tensor positions, Tensor keyPosition, Tensor step, Tensor ids) {
        try (Call call = new Call(device, "decodeAdvance")) {
            long batch = ids.numel();
            long steps = call.rows("history", history);
            api.decodeAdvance(call.matrix("history", history, steps, batch, I32), call.elements("positions", positions, batch, I32),
                call.elements("keyPosition", keyPosition, 1, I32), call.elements("step", step, 1, I32), call.address("ids", ids, I32),
                batch, steps);
        }
    }

    /** A key/value cache and the queries over it, checked. */
    private static final class Cache {
        private final long batch;
        private final long capacity;
        private final long nHeads;
        private final long nKvHeads;
        private final long headDim;
        private final long q;
        private final long keys;
        private final long values;
        private final long kSegment;
        private final long qSegment;
        private final long keyPosition;

        Cache(Call call, Tensor q, Tensor keys, Tensor values, Tensor kSegment, Tensor qSegment, Tensor keyPosition) {
            call.require(q.shape().rank() == 3, () -> "q has shape " + q.shape() + ", expected [batch, n_heads, head_dim]");
            call.require(keys.shape().rank() == 4,
                () -> "keys has shape " + keys.shape() + ", expected [batch, capacity, n_kv_heads, head_dim]");
            batch = q.dim(0);
            nHeads = q.dim(1);
            headDim = q.dim(2);
            capacity = keys.dim(1);
            nKvHeads = keys.dim(2);
            call.require(nKvHeads > 0 && nHeads % nKvHeads == 0,
                () -> nHeads + " query heads cannot be grouped over " + nKvHeads + " key/value heads");
            call.require(keys.dim(0) == batch && keys.dim(3) == headDim,
                () -> "keys has shape " + keys.shape() + ", which does not fit q of shape " + q.shape());
            call.require(values.shape().equals(keys.shape()),
                () -> "values has shape " + values.shape() + ", expected that of keys, " + keys.shape());
            call.sameType("keys", keys, "q", q);
            call.sameType("values", values, "q", q);
            this.q = call.address("q", q, F32_OR_BF16);
            this.keys = call.address("keys", keys, F32_OR_BF16);
            this.values = call.address("values", values, F32_OR_BF16);
            this.kSegment = call.exact("kSegment", kSegment, I32, batch, capacity);
            this.qSegment = call.elements("qSegment", qSegment, batch, I32);
            this.keyPosition = call.elements("keyPosition", keyPosition, 1, I32);
        }
    }
}
