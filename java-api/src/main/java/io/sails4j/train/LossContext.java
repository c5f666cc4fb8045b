package io.sails4j.train;

import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.Recomputation;
import io.sails4j.tensor.TensorArena;

/**
 * Where losses are computed: the model, and memory for their intermediate results, which each call gives back.
 *
 * @param packing several sequences share a row of a batch
 * @param recompute as in {@link io.sails4j.model.ForwardOptions}
 */
public record LossContext(CausalModel model, TensorArena memory, boolean packing, Recomputation recompute) implements AutoCloseable {
    public static LossContext of(CausalModel model) {
        return of(model, false);
    }

    public static LossContext of(CausalModel model, boolean packing) {
        return of(model, packing, Recomputation.none());
    }

    public static LossContext of(CausalModel model, boolean packing, Recomputation recompute) {
        return new LossContext(model, new TensorArena(model.engine().device()), packing, recompute);
    }

    /** Of a training pass. */
    ForwardOptions training(Trainable trainable) {
        return ForwardOptions.training(recompute, trainable.targets().parameters().isEmpty());
    }

    @Override
    public void close() {
        memory.close();
    }
}
