package io.sails4j.model;

import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import org.jspecify.annotations.Nullable;

/** Who changes and who sees the tensors of a pass, in this order. */
record StreamTaps(@Nullable StreamEdit edit, @Nullable TensorListener listener) {
    /** Nobody. */
    static final StreamTaps NONE = new StreamTaps(null, null);

    /** @param scratch for the edit */
    void at(Site site, int layer, Tensor value, TensorArena scratch) {
        if (site.residualStream()) {
            edit(site, layer, value, scratch);
        }
        if (listener != null) {
            listener.accept(site, layer, value);
        }
    }

    /** Whether an edit may have changed the value; only at a site of the residual stream. */
    boolean edit(Site site, int layer, Tensor value, TensorArena scratch) {
        if (edit == null) {
            return false;
        }
        TensorArena.Mark mark = scratch.mark();
        edit.edit(site, layer, value, scratch);
        scratch.release(mark);
        return edit.changes(site, layer);
    }
}
