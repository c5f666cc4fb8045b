package io.sails4j.model;

import org.jspecify.annotations.Nullable;

/**
 * What a forward keeps and tells.
 *
 * @param saveForBackward keep what the backward needs
 * @param lastLayer stop after this block (then there is no final norm), -1 = run all
 * @param listener receives each {@link Site} in the order of the model, [batch * length, d_model] F32, the final norm in the compute type
 * @param recompute what the backward computes again
 * @param frozenWeights the backward will ask for no gradient of the model's own parameters: inputs of linear maps without an adapter are
 *     not kept
 * @param edit of the residual stream, which has no backward
 */
public record ForwardOptions(boolean saveForBackward, int lastLayer, @Nullable TensorListener listener, RecomputePlan recompute,
    boolean frozenWeights, @Nullable StreamEdit edit) {
    public ForwardOptions {
        if (saveForBackward && edit != null) {
            throw new IllegalArgumentException("an edit of the residual stream has no backward: do not save for one");
        }
    }

    /** Nothing is computed twice, and any gradient can be asked for. */
    public ForwardOptions(boolean saveForBackward, int lastLayer, @Nullable TensorListener listener) {
        this(saveForBackward, lastLayer, listener, RecomputePlan.none(), false, null);
    }

    /** Keeps nothing for a backward and calls no listener. */
    public static ForwardOptions inference() {
        return new ForwardOptions(false, -1, null);
    }

    /** Keeps what a backward through all weights needs. */
    public static ForwardOptions training() {
        return training(RecomputePlan.none(), false);
    }

    /** Keeps what a backward needs that computes the planned layers again. */
    public static ForwardOptions training(RecomputePlan recompute, boolean frozenWeights) {
        return new ForwardOptions(true, -1, null, recompute, frozenWeights, null);
    }

    /** The same with an edit of the residual stream, null for none. */
    public ForwardOptions withEdit(@Nullable StreamEdit other) {
        return new ForwardOptions(saveForBackward, lastLayer, listener, recompute, frozenWeights, other);
    }
}
