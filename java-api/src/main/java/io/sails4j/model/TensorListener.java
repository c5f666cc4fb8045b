package io.sails4j.model;

import io.sails4j.tensor.Tensor;

/** Sees tensors as they are computed. A tensor is valid during the call only. */
@FunctionalInterface
public interface TensorListener {
    /**
     * Called in the order of the computation, on the thread of the pass; {@code value} lives until the call returns.
     *
     * @param layer of the site, {@link Site#NO_LAYER} where it is there once
     */
    void accept(Site site, int layer, Tensor value);
}
