package io.sails4j.train;

import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.Recomputation;
import io.sails4j.tensor.TensorArena;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Where losses are computed: the model, and memory for their intermediate results, which each call gives back.
 *
 * @param packing several sequences share a row of a batch
 * @param recompute as in {@link io.sails4j.model.ForwardOptions}
 * @param graphs where training passes are recorded; null = they are called
 */
public record LossContext(CausalModel model, TensorArena memory, boolean packing, Recomputation recompute, @Nullable PassGraphs graphs) implements AutoCloseable {
    public static LossContext of(CausalModel model) {
        return of(model, false);
    }

    public static LossContext of(CausalModel model, boolean packing) {
        return of(model, packing, Recomputation.none());
    }

    public static LossContext of(CausalModel model, boolean packing, Recomputation recompute) {
        return new LossContext(model, new TensorArena(model.engine().device()), packing, recompute, null);
    }

    LossContext withGraphs(Consumer<String> message) {
        return new LossContext(model, memory, packing, recompute, new PassGraphs(model, memory, message));
    }

    /** Runs the parts of a training pass in their order. */
    void run(PassGraphs.Shape shape, AdapterStack adapters, List<PassGraphs.Part> parts) {
        if (graphs == null) {
            parts.forEach(part -> part.body().run());
        } else {
            graphs.run(shape, adapters, parts);
        }
    }

    /** Of a training pass. */
    ForwardOptions training(Trainable trainable) {
        return ForwardOptions.training(recompute, trainable.targets().parameters().isEmpty());
    }

    @Override
    public void close() {
        if (graphs != null) {
            graphs.close();
        }
        memory.close();
    }
}
