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
            cache.requireEvenHeads(call, q);
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
            requireWindow(call, window, softcap);
            call.sameType("out", out, "q", q);
            long outAddress = call.like("out", out, "q", q, F32_OR_BF16);
            synchronized (workspace) {
                long bytes = api.attentionDecodeWorkspaceBytes(c.batch, c.capacity, c.nHeads, c.nKvHeads, c.headDim, window, code(q));
                api.attentionDecode(outAddress, c.q, c.keys, c.values, c.qSegment, c.kSegment, c.keyPosition, c.batch, c.capacity, c.nHeads,
                    c.nKvHeads, c.headDim, window, scale, softcap, code(q), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /**
     * {@link #ropeAppend} where keys, values [n_pages, page_tokens, n_kv_heads, head_dim] are pages: the new token of sequence b stands at
     * key positions[b] of its own, -1: no sequence stands there; that key is a row of page pageTable[b, key / page_tokens]. positions
     * [batch] I32, pageTable [batch, table_pages] I32.
     */
    public void ropeAppendPaged(Tensor q, Tensor keys, Tensor values, Tensor k, Tensor v, Tensor table, Tensor positions,
        Tensor pageTable) {
        try (Call call = new Call(device, "ropeAppendPaged")) {
            PagedCache c = new PagedCache(call, q, keys, values, positions, pageTable);
            c.requireEvenHeads(call, q);
            call.sameType("k", k, "q", q);
            call.sameType("v", v, "q", q);
            long row = c.batch * c.nKvHeads * c.headDim;
            api.ropeAppendPaged(c.q, c.keys, c.values, call.elements("k", k, row, F32_OR_BF16), call.elements("v", v, row, F32_OR_BF16),
                call.exact("table", table, F32, c.batch, c.headDim / 2, 2), c.positions, c.pageTable, c.batch, c.nPages, c.pageTokens,
                c.tablePages, c.nHeads, c.nKvHeads, c.headDim, code(q));
        }
    }

    /**
     * {@link #attentionDecode} over pages, see {@link #ropeAppendPaged}: each sequence sees all keys up to its own position, as far as the
     * window reaches. The row of one that stands nowhere is 0.
     */
    public void attentionDecodePaged(Tensor out, Tensor q, Tensor keys, Tensor values, Tensor positions, Tensor pageTable, long window,
        float scale, float softcap) {
        try (Call call = new Call(device, "attentionDecodePaged")) {
            PagedCache c = new PagedCache(call, q, keys, values, positions, pageTable);
            requireWindow(call, window, softcap);
            call.sameType("out", out, "q", q);
            long outAddress = call.like("out", out, "q", q, F32_OR_BF16);
            synchronized (workspace) {
                long bytes = api.attentionDecodePagedWorkspaceBytes(c.batch, c.pageTokens, c.tablePages, c.nHeads, c.nKvHeads, c.headDim,
                    window, code(q));
                api.attentionDecodePaged(outAddress, c.q, c.keys, c.values, c.positions, c.pageTable, c.batch, c.nPages, c.pageTokens,
                    c.tablePages, c.nHeads, c.nKvHeads, c.headDim, window, scale, softcap, code(q), workspace.atLeast(bytes), bytes);
            }
        }
    }

    private static void requireWindow(Call call, long window, float softcap) {
        if (window < 0) {
            throw call.error("window is " + window + ", expected 0 (all keys) or more");
        }
        if (!(softcap >= 0)) {
            throw call.error("softcap is " + softcap + ", expected 0 (none) or more");
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

    /** What a step computes with, checked: queries of heads that share those of keys and values. */
    private static class Heads {
        final long batch;
        final long nHeads;
        final long nKvHeads;
        final long headDim;
        final long q;
        final long keys;
        final long values;

        /** @param leading the sizes before heads of keys and values, in words */
        Heads(Call call, Tensor q, Tensor keys, Tensor values, String leading) {
            if (q.shape().rank() != 3) {
                throw call.error("q has shape " + q.shape() + ", expected [batch, n_heads, head_dim]");
            }
            if (keys.shape().rank() != 4) {
                throw call.error("keys has shape " + keys.shape() + ", expected [" + leading + ", n_kv_heads, head_dim]");
            }
            batch = q.dim(0);
            nHeads = q.dim(1);
            headDim = q.dim(2);
            nKvHeads = keys.dim(2);
            if (nKvHeads <= 0 || nHeads % nKvHeads != 0) {
                throw call.error(nHeads + " query heads cannot be grouped over " + nKvHeads + " key/value heads");
            }
            if (keys.dim(3) != headDim) {
                throw call.error("keys has shape " + keys.shape() + ", which does not fit q of shape " + q.shape());
            }
            if (!values.shape().equals(keys.shape())) {
                throw call.error("values has shape " + values.shape() + ", expected that of keys, " + keys.shape());
            }
            call.sameType("keys", keys, "q", q);
            call.sameType("values", values, "q", q);
            this.q = call.address("q", q, F32_OR_BF16);
            this.keys = call.address("keys", keys, F32_OR_BF16);
            this.values = call.address("values", values, F32_OR_BF16);
        }

        void requireEvenHeads(Call call, Tensor q) {
            if (headDim % 2 != 0) {
                throw call.error("q has shape " + q.shape() + ", expected an even head_dim");
            }
        }
    }

    /** A key/value cache and the queries over it. */
    private static final class Cache extends Heads {
        private final long capacity;
        private final long kSegment;
        private final long qSegment;
        private final long keyPosition;

        Cache(Call call, Tensor q, Tensor keys, Tensor values, Tensor kSegment, Tensor qSegment, Tensor keyPosition) {
            super(call, q, keys, values, "batch, capacity");
            capacity = keys.dim(1);
            if (keys.dim(0) != batch) {
                throw call.error("keys has shape " + keys.shape() + ", which does not fit q of shape " + q.shape());
            }
            this.kSegment = call.exact("kSegment", kSegment, I32, batch, capacity);
            this.qSegment = call.elements("qSegment", qSegment, batch, I32);
            this.keyPosition = call.elements("keyPosition", keyPosition, 1, I32);
        }
    }

    /** Pages of keys and values, and the queries over them. */
    private static final class PagedCache extends Heads {
        private final long nPages;
        private final long pageTokens;
        private final long tablePages;
        private final long positions;
        private final long pageTable;

        PagedCache(Call call, Tensor q, Tensor keys, Tensor values, Tensor positions, Tensor pageTable) {
            super(call, q, keys, values, "n_pages, page_tokens");
            nPages = keys.dim(0);
            pageTokens = keys.dim(1);
            if (pageTable.shape().rank() != 2 || pageTable.dim(0) != batch) {
                throw call.error("pageTable has shape " + pageTable.shape() + ", expected [" + batch + ", table_pages]");
            }
            tablePages = pageTable.dim(1);
            this.positions = call.elements("positions", positions, batch, I32);
            this.pageTable = call.address("pageTable", pageTable, I32);
        }
    }
}
