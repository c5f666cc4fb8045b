package io.sails4j.ops;

import io.sails4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * What {@link LinearOps#linearGluForward(Tensor, GluKept, Tensor, LinearMap, LinearMap, GluActivation)} writes beside its result: gate and
 * up [n, d_ff] of x's type, both or neither; x lora_A^T [n, r] F32 of each adapter.
 */
public record GluKept(@Nullable Tensor gate, @Nullable Tensor up, @Nullable Tensor gateH, @Nullable Tensor upH) {
    public static final GluKept NOTHING = new GluKept(null, null, null, null);
}
