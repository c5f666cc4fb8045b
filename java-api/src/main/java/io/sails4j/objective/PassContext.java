package io.sails4j.objective;

import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.RecomputePlan;
import io.sails4j.tensor.TensorArena;
import io.sails4j.trainable.Trainable;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Where losses are computed: the session of a model, and memory for their intermediate results, which each call gives back.
 *
 * @param session stays the caller's
 * @param packing several sequences share a row of a batch
 * @param recompute as in {@link ForwardOptions}
 * @param graphs where the pieces of training steps are recorded; null = they are called
 */
public record PassContext(ModelSession session, TensorArena memory, boolean packing, RecomputePlan recompute, @Nullable StepGraphs graphs)
    implements AutoCloseable {
    public static PassContext of(ModelSession session) {
        return of(session, false);
    }

    public static PassContext of(ModelSession session, boolean packing) {
        return of(session, packing, RecomputePlan.none());
    }

    public static PassContext of(ModelSession session, boolean packing, RecomputePlan recompute) {
        return new PassContext(session, new TensorArena(session.model().engine().device()), packing, recompute, null);
    }

    public PassContext withGraphs() {
        return new PassContext(session, memory, packing, recompute, new StepGraphs(session, memory));
    }

    CausalModel model() {
        return session.model();
    }

    /** Runs the parts of a training pass in their order. */
    void run(StepGraphs.Pass pass, AdapterStack adapters, List<StepGraphs.Segment> parts) {
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
    public void run(StepGraphs.StepPhase piece, long layout, Runnable body) {
        if (graphs == null) {
            body.run();
        } else {
            graphs.run(piece, layout, () -> {}, List.of(new StepGraphs.Segment(body, false)));
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
