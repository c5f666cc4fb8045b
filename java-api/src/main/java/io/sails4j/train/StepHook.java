package io.sails4j.train;

/** What a constraint does in each optimizer step. */
public interface StepHook {
    /** Changes the complete gradients of a step before their norm is taken; returns what it added to the loss. */
    double beforeUpdate();

    /** Changes the parameters after the optimizer did. */
    void afterUpdate();

    /** Share of the update so far that lies in the subspace, NaN where there is none. */
    double shareInside();

    /** No constraint and no subspace. */
    static StepHook none() {
        return new StepHook() {
            @Override
            public double beforeUpdate() {
                return 0;
            }

            @Override
            public void afterUpdate() {
                // nothing constrains the parameters
            }

            @Override
            public double shareInside() {
                return Double.NaN;
            }
        };
    }
}
