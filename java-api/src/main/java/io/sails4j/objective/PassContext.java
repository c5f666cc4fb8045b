package io.sails4j.objective;

import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.Recomputation;
import io.sails4j.tensor.TensorArena;
import io.sails4j.trainable.Trainable;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Where losses are computed: the model, and memory for their intermediate results, which each call gives back.
 *
 * @param packing several sequences share a row of a batch
 * @param recompute as in {@link io.sails4j.model.ForwardOptions}
 * @param graphs where the pieces of training steps are recorded; null = they are called
 */
public record PassContext(CausalModel model, TensorArena memory, boolean packing, Recomputation recompute, @Nullable StepGraphs graphs) implements AutoCloseable {
    public static PassContext of(CausalModel model) {
        return of(model, false);
    }

    public static PassContext of(CausalModel model, boolean packing) {
        return of(model, packing, Recomputation.none());
    }

    public static PassContext of(CausalModel model, boolean packing, Recomputation recompute) {
        return new PassContext(model, new TensorArena(model.engine().device()), packing, recompute, null);
    }

    public PassContext withGraphs(Consumer<String> message) {
        return new PassContext(model, memory, packing, recompute, new StepGraphs(model, memory, message));
    }

    /** Runs the parts of a training pass in their order. */
    void run(StepGraphs.Pass pass, AdapterStack adapters, List<StepGraphs.Part> parts) {
        if (graphs == null) {
            parts.forEach(part -> part.body().run());
        } else {
            graphs.run(pass, 0, adapters::forgetDerived, parts);
        }
    }

    /**
     * Runs what a step does around its passes, the same calls each time.
     *
     * @param layout changes when memory has moved that {@code body} works in besides this context's and the model's
     */
    public void run(StepGraphs.Around piece, long layout, Runnable body) {
        if (graphs == null) {
            body.run();
        } else {
            graphs.run(piece, layout, () -> { }, List.of(new StepGraphs.Part(body, false)));
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
