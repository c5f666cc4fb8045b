package io.sails4j.model;

import org.jspecify.annotations.Nullable;

/**
 * @param saveForBackward keep what the backward needs
 * @param lastLayer stop after this block (then there is no final norm), -1 = run all
 * @param listener receives {@code hidden.embed}, and for each block N {@code attn_out.N}, {@code hidden.mid.N}, {@code mlp_out.N},
 *     {@code hidden.layer.N}, all [batch * length, d_model] F32; then {@code hidden.final_norm} in the compute type
 * @param recomputeLayers of so many layers, from the lowest on, only the input is kept; the backward runs their forward once more, with the
 *     same bits
 */
public record ForwardOptions(boolean saveForBackward, int lastLayer, @Nullable TensorListener listener, int recomputeLayers) {
    /** Nothing is computed twice. */
    public ForwardOptions(boolean saveForBackward, int lastLayer, @Nullable TensorListener listener) {
        this(saveForBackward, lastLayer, listener, 0);
    }

    public static ForwardOptions inference() {
        return new ForwardOptions(false, -1, null);
    }

    public static ForwardOptions training() {
        return training(0);
    }

    public static ForwardOptions training(int recomputeLayers) {
        return new ForwardOptions(true, -1, null, recomputeLayers);
    }
}
