package io.sails4j.ops;

import io.sails4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * What an adapter adds to a row x: {@code scale * (x lora_A^T) lora_B^T}; lora_A [r, d_in], lora_B [d_out, r], F32.
 *
 * @param loraA null together with loraB where it adds nothing
 */
public record LowRank(@Nullable Tensor loraA, @Nullable Tensor loraB, float scale) {
    private static final LowRank NONE = new LowRank(null, null, 0);

    public LowRank {
        if ((loraA == null) != (loraB == null)) {
            throw new IllegalArgumentException("lora_A and lora_B are both there or both not");
        }
    }

    /** One that adds nothing. */
    public static LowRank none() {
        return NONE;
    }
}
