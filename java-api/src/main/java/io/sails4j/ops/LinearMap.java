package io.sails4j.ops;

import io.sails4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A linear map with an adapter: x weight^T + scale * (x lora_A^T) lora_B^T; weight [d_out, d_in], lora_A [r, d_in], lora_B [d_out, r] F32,
 * both null for no adapter.
 */
public record LinearMap(Tensor weight, @Nullable Tensor loraA, @Nullable Tensor loraB, float scale) {
    public LinearMap {
        if ((loraA == null) != (loraB == null)) {
            throw new IllegalArgumentException("a linear map has one of lora_A and lora_B, expected both or none");
        }
    }

    /** A weight without an adapter. */
    public static LinearMap plain(Tensor weight) {
        return new LinearMap(weight, null, null, 0);
    }

    long r() {
        return loraA == null ? 0 : loraA.dim(0);
    }
}
