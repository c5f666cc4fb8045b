package io.sails4j.model;

import io.sails4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * Gradients of one adapter's factors, F32, accumulated by the backward.
 *
 * @param dMagnitude [d_out] of a DoRA's lengths, else null
 */
public record LowRankGradient(Tensor dLoraA, Tensor dLoraB, @Nullable Tensor dMagnitude) {
    /** The gradient of an adapter without DoRA. */
    public LowRankGradient(Tensor dLoraA, Tensor dLoraB) {
        this(dLoraA, dLoraB, null);
    }
}
