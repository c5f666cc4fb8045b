package io.sails4j.ops;

/**
 * The sizes and scalars of attention in {@code sails.h}.
 *
 * @param kvBatchStride elements between two sequences of k and v, at least {@code nKeys * nKvHeads * headDim}
 * @param queryOffset the key index at which query 0 stands
 * @param window keys a query sees, itself included; 0 = all before it
 * @param softcap soft-cap of the scores, 0 = none
 */
public record AttentionShape(long batch, long nQueries, long nKeys, long nHeads, long nKvHeads, long headDim, long kvBatchStride,
    long queryOffset, long window, float scale, float softcap) {

    public AttentionShape {
        if (batch < 0 || nQueries < 0 || nKeys < 0 || nHeads < 0 || nKvHeads < 0 || headDim < 0 || queryOffset < 0 || window < 0) {
            throw new IllegalArgumentException("attention: a size is negative: batch " + batch + ", nQueries " + nQueries + ", nKeys "
                + nKeys + ", nHeads " + nHeads + ", nKvHeads " + nKvHeads + ", headDim " + headDim + ", queryOffset " + queryOffset
                + ", window " + window);
        }
        if (nHeads > 0 && (nKvHeads == 0 || nHeads % nKvHeads != 0)) {
            throw new IllegalArgumentException("attention: " + nHeads + " query heads cannot be grouped over " + nKvHeads
                + " key/value heads");
        }
        if (kvBatchStride < nKeys * nKvHeads * headDim) {
            throw new IllegalArgumentException("attention: kvBatchStride is " + kvBatchStride + ", but a sequence has " + nKeys + " * "
                + nKvHeads + " * " + headDim + " elements");
        }
        if (!(softcap >= 0) || !Float.isFinite(scale)) {
            throw new IllegalArgumentException("attention: softcap is " + softcap + " (expected >= 0), scale " + scale
                + " (expected finite)");
        }
    }

    /** Elements of q, out and their gradients. */
    public long queryElements() {
        return batch * nQueries * nHeads * headDim;
    }

    /** Elements of dense k or v, and of dk and dv. */
    public long denseKvElements() {
        return batch * nKeys * nKvHeads * headDim;
    }

    /** Elements that k and v must at least hold. */
    public long minKvElements() {
        return batch == 0 ? 0 : (batch - 1) * kvBatchStride + nKeys * nKvHeads * headDim;
    }
}
