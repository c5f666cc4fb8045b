package io.sails4j.model;

import io.sails4j.tensor.Tensor;

/** A low-rank addition to one linear map: {@code y += scale * (x lora_A^T) lora_B^T}; lora_A [r, d_in], lora_B [d_out, r], F32. */
public record LowRankAdapter(Tensor loraA, Tensor loraB, float scale) {
    public long r() {
        return loraA.dim(0);
    }
}
