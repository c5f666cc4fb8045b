package io.sails4j.loop;

import io.sails4j.objective.StepReadings;
import io.sails4j.tensor.Tensor;
import java.util.List;

/** What a constraint does in each optimizer step. */
public interface StepHook {
    /**
     * Takes room for what {@link #penalty} and {@link #shareInside} tell of the step that begins, as much in every step, and leaves the
     * memory of {@link #beforeUpdate} as that finds it each time.
     *
     * @param readings read before those are asked
     */
    void allot(StepReadings readings);

    /**
     * Changes the complete gradients of a step before their norm is taken, and queues what goes into the room of {@link #allot}. Neither
     * waits nor copies from or to the host, and makes the same calls in every step: it may be recorded in one and launched in others.
     */
    void beforeUpdate();

    /** Rises whenever memory of its own that {@link #beforeUpdate} works in has moved. */
    long memoryLayout();

    /** What the constraint has added to the loss of this step. */
    double penalty();

    /** Parameters that the optimizer holds to a subspace: each is projected in the step itself. */
    List<ProjectedParameter> projected();

    /**
     * A parameter that starts inside a subspace and must not leave it.
     *
     * @param value F32 [d, n], or [n, d] where {@code right}; one of the trainable's parameters
     * @param basis F32 [d, r_s] with orthonormal columns
     */
    record ProjectedParameter(Tensor value, Tensor basis, boolean right) {
    }

    /** Share of the update so far, before this step, that lies in the subspace, NaN where there is none. */
    double shareInside();

    /** No constraint and no subspace. */
    static StepHook none() {
        return new StepHook() {
            @Override
            public void allot(StepReadings readings) {
                // There is nothing to tell.
            }

            @Override
            public void beforeUpdate() {
                // Gradients stay as they are.
            }

            @Override
            public long memoryLayout() {
                return 0;
            }

            @Override
            public double penalty() {
                return 0;
            }

            @Override
            public List<ProjectedParameter> projected() {
                return List.of();
            }

            @Override
            public double shareInside() {
                return Double.NaN;
            }
        };
    }
}
