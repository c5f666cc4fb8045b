package io.sails4j.train;

import io.sails4j.model.Gemma2Model;
import io.sails4j.tensor.TensorArena;

/** Where losses are computed: the model, and memory for their intermediate results, which each call gives back. */
public record LossContext(Gemma2Model model, TensorArena memory) implements AutoCloseable {
    public static LossContext of(Gemma2Model model) {
        return new LossContext(model, new TensorArena(model.engine().device()));
    }

    @Override
    public void close() {
        memory.close();
    }
}
