package io.sails4j.model;

import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import org.jspecify.annotations.Nullable;

/**
 * Changes the residual stream in place while it is computed: in forward, in the reading of prompts and in every decoding step. A
 * {@link TensorListener} of the same pass sees what the edit left. There is no backward through an edit.
 */
@FunctionalInterface
public interface StreamEdit {
    /**
     * Called in the order of the computation, on the thread of the pass, at {@link Site#EMBED}, and at {@link Site#MID} and
     * {@link Site#LAYER} of every layer. The rows are the tokens that are new to the pass: all of a batch, those of padding too, and in a
     * decoding step one of each sequence. What an edit makes of a row should depend on that row alone: then a prompt gives the same with a
     * cache and without.
     *
     * @param layer of the site, {@link Site#NO_LAYER} at {@link Site#EMBED}
     * @param stream [n_tokens, d_model] F32, valid during the call
     * @param memory for what the edit needs besides; it is taken back when the call returns
     */
    void edit(Site site, int layer, Tensor stream, TensorArena memory);

    /**
     * Whether {@link #edit} may leave another stream at a place than it found; where it surely does not, a step saves computing a norm
     * again.
     */
    default boolean changes(Site site, int layer) {
        return true;
    }

    /** One and then the other, either of which may be missing; null where both are. */
    static @Nullable StreamEdit both(@Nullable StreamEdit first, @Nullable StreamEdit next) {
        if (first == null || next == null) {
            return first == null ? next : first;
        }
        return first.andThen(next);
    }

    /** This edit, and then another of what it left. */
    default StreamEdit andThen(StreamEdit next) {
        StreamEdit first = this;
        return new StreamEdit() {
            @Override
            public void edit(Site site, int layer, Tensor stream, TensorArena memory) {
                first.edit(site, layer, stream, memory);
                next.edit(site, layer, stream, memory);
            }

            @Override
            public boolean changes(Site site, int layer) {
                return first.changes(site, layer) || next.changes(site, layer);
            }
        };
    }
}
