package io.sails4j.train;

import io.sails4j.InputException;
import io.sails4j.model.RecomputePlan;
import io.sails4j.options.OptionValue;
import java.util.Locale;

/**
 * Which layers' activations the backward shall compute again instead of finding them kept.
 *
 * @param layers for {@code LOWEST}: so many in full
 * @param budgetBytes for {@code AUTO}: of the whole step
 */
public record RecomputeOption(Mode mode, int layers, long budgetBytes) implements OptionValue {
    /**
     * No layer, all selectively, all in full, the lowest in full, or the cheapest mix that fits into the budget; see {@link
     * RecomputePlan}.
     */
    public enum Mode {
        OFF, SELECTIVE, FULL, LOWEST, AUTO
    }

    public RecomputeOption {
        if (layers < 0) {
            throw new InputException("recompute is " + layers + " layers, expected 0 or more");
        }
        if (mode == Mode.AUTO && budgetBytes <= 0) {
            throw new InputException("recompute 'auto' needs a memory budget: set memory_gib");
        }
    }

    /** Every layer keeps what its backward needs. */
    public static RecomputeOption off() {
        return new RecomputeOption(Mode.OFF, 0, 0);
    }

    /** All layers selectively. */
    public static RecomputeOption selective() {
        return new RecomputeOption(Mode.SELECTIVE, 0, 0);
    }

    /** All layers in full. */
    public static RecomputeOption full() {
        return new RecomputeOption(Mode.FULL, 0, 0);
    }

    /** So many of the lowest layers in full. */
    public static RecomputeOption lowest(int layers) {
        return new RecomputeOption(Mode.LOWEST, layers, 0);
    }

    /** The cheapest mix that fits a whole step into so many bytes. */
    public static RecomputeOption within(long budgetBytes) {
        return new RecomputeOption(Mode.AUTO, 0, budgetBytes);
    }

    /** Finds the mix for a budget in bytes. */
    public interface Planner {
        /** The cheapest plan for so many bytes. */
        RecomputePlan cheapest(long budgetBytes);
    }

    /** The plan for a model of so many layers. */
    public RecomputePlan of(int nLayers, Planner planner) {
        return switch (mode) {
            case OFF -> RecomputePlan.none();
            case SELECTIVE -> new RecomputePlan(0, nLayers);
            case FULL -> new RecomputePlan(nLayers, 0);
            case LOWEST -> new RecomputePlan(Math.min(layers, nLayers), 0);
            case AUTO -> planner.cheapest(budgetBytes);
        };
    }

    @Override
    public String spelling() {
        return switch (mode) {
            case OFF, SELECTIVE, FULL, AUTO -> mode.name().toLowerCase(Locale.ROOT);
            case LOWEST -> String.valueOf(layers);
        };
    }
}
