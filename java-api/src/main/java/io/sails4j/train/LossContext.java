package io.sails4j.train;

import io.sails4j.model.CausalModel;
import io.sails4j.tensor.TensorArena;

/** Where losses are computed: the model, and memory for their intermediate results, which each call gives back. */
public record LossContext(CausalModel model, TensorArena memory) implements AutoCloseable {
    public static LossContext of(CausalModel model) {
        return new LossContext(model, new TensorArena(model.engine().device()));
    }

    @Override
    public void close() {
        memory.close();
    }
}
