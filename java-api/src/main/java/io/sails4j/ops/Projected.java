package io.sails4j.ops;

/** What {@link OptimizerOps#adamwProjected} projects, in the order of {@code sails.h}. */
public enum Projected {
    /** The gradient, before the moments see it. */
    GRADIENT,
    /** The parameter after its step: from inside the subspace, a projected step. */
    UPDATE;

    int abiCode() {
        return ordinal();
    }
}
