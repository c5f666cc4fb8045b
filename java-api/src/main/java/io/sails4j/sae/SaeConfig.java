package io.sails4j.sae;

/**
 * What a sparse autoencoder computes: acts = act(x~ W_enc + b_enc), x^ = acts W_dec + b_dec, x~ = x - b_dec or x (jbloomAus/SAELens
 * sae_lens/saes).
 *
 * @param applyBDecToInput subtract b_dec from the input
 * @param layerNorm standardise the input and undo it on the output
 * @param k active features of a top-k encoder, else 0
 * @param rescaleActsByDecoderNorm choose the top k by activation times decoder norm
 */
public record SaeConfig(Architecture architecture, long dIn, long dSae, boolean applyBDecToInput, boolean layerNorm, int k,
    boolean rescaleActsByDecoderNorm) {
    /** Kinds of activation. */
    public enum Architecture {
        STANDARD, JUMPRELU, TOPK, GATED
    }
}
