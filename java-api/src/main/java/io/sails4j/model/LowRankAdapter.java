package io.sails4j.model;

import io.sails4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * A low-rank addition to one linear map: {@code y += scale * (x lora_A^T) lora_B^T}; lora_A [r, d_in], lora_B [d_out, r], F32.
 *
 * @param dora where there is one, the rows of the adapted weight have its lengths
 */
public record LowRankAdapter(Tensor loraA, Tensor loraB, float scale, @Nullable DoraScale dora) {
    /** An adapter without DoRA. */
    public LowRankAdapter(Tensor loraA, Tensor loraB, float scale) {
        this(loraA, loraB, scale, null);
    }

    /** Its rank. */
    public long r() {
        return loraA.dim(0);
    }
}
