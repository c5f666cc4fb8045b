package io.sails4j.train;

import io.sails4j.model.CausalModel;
import io.sails4j.tensor.TensorArena;

/**
 * Where losses are computed: the model, and memory for their intermediate results, which each call gives back.
 *
 * @param packing several sequences share a row of a batch
 */
public record LossContext(CausalModel model, TensorArena memory, boolean packing) implements AutoCloseable {
    public static LossContext of(CausalModel model) {
        return of(model, false);
    }

    public static LossContext of(CausalModel model, boolean packing) {
        return new LossContext(model, new TensorArena(model.engine().device()), packing);
    }

    @Override
    public void close() {
        memory.close();
    }
}
