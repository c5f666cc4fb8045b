package io.sails4j.train;

import io.sails4j.io.InputException;

/**
 * Which layers' activations are computed again in the backward instead of kept.
 *
 * @param layers so many, from the lowest on; {@link #AUTO}: as few as fit into the budget
 * @param budgetBytes of the whole step, for {@code AUTO}
 */
public record Recompute(int layers, long budgetBytes) {
    public static final int AUTO = -1;

    public Recompute {
        if (layers < AUTO) {
            throw new InputException("recompute is " + layers + " layers, expected 0 or more");
        }
        if (layers == AUTO && budgetBytes <= 0) {
            throw new InputException("recompute 'auto' needs a memory budget: set memory_gib");
        }
    }

    public static Recompute off() {
        return new Recompute(0, 0);
    }

    public static Recompute full() {
        return new Recompute(Integer.MAX_VALUE, 0);
    }
}
