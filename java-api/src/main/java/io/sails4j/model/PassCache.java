package io.sails4j.model;

import io.sails4j.tensor.Tensor;

/** Keys and values of earlier tokens that a forward attends to, and extends by its own. */
abstract sealed class PassCache permits KvCache, PagedCache {
    /** Number of positions that are filled. */
    public abstract int length();

    /** Announces new tokens: their segments become visible to the attention of this step. */
    abstract void begin(TokenBatch tokens);

    /** Copies the new tokens' keys and values [batch * length, kv_width] behind those of the layer. */
    abstract void append(int layer, Tensor k, Tensor v);

    /** Those of all tokens, the new ones among them, of a sequence one behind another; until the next layer is asked for. */
    abstract Tensor keys(int layer);

    abstract Tensor values(int layer);

    /** [batch, length so far with the new tokens] I32. */
    abstract Tensor keySegments();

    /** Elements from one sequence's keys to the next one's. */
    abstract long batchStride();

    /** The new tokens are filled positions from now on. */
    abstract void commit(TokenBatch tokens);
}
