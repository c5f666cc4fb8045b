package io.sails4j.train;

import io.sails4j.model.CausalModel;
import io.sails4j.tensor.TensorArena;

/**
 * Where losses are computed: the model, and memory for their intermediate results, which each call gives back.
 *
 * @param packing several sequences share a row of a batch
 * @param recomputeLayers as in {@link io.sails4j.model.ForwardOptions}
 */
public record LossContext(CausalModel model, TensorArena memory, boolean packing, int recomputeLayers) implements AutoCloseable {
    public static LossContext of(CausalModel model) {
        return of(model, false);
    }

    public static LossContext of(CausalModel model, boolean packing) {
        return of(model, packing, 0);
    }

    public static LossContext of(CausalModel model, boolean packing, int recomputeLayers) {
        return new LossContext(model, new TensorArena(model.engine().device()), packing, recomputeLayers);
    }

    @Override
    public void close() {
        memory.close();
    }
}
