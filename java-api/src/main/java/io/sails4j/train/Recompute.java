package io.sails4j.train;

import io.sails4j.io.InputException;
import io.sails4j.model.Recomputation;
import io.sails4j.options.OptionValue;
import java.util.Locale;

/**
 * Which layers' activations the backward shall compute again instead of finding them kept.
 *
 * @param layers for {@code LOWEST}: so many in full
 * @param budgetBytes for {@code AUTO}: of the whole step
 */
public record Recompute(Mode mode, int layers, long budgetBytes) implements OptionValue {
    /** No layer, all selectively, all in full, the lowest in full, or the cheapest mix that fits into the budget; see {@link Recomputation}. */
    public enum Mode {
        OFF, SELECTIVE, FULL, LOWEST, AUTO
    }

    public Recompute {
        if (layers < 0) {
            throw new InputException("recompute is " + layers + " layers, expected 0 or more");
        }
        if (mode == Mode.AUTO && budgetBytes <= 0) {
            throw new InputException("recompute 'auto' needs a memory budget: set memory_gib");
        }
    }

    public static Recompute off() {
        return new Recompute(Mode.OFF, 0, 0);
    }

    public static Recompute selective() {
        return new Recompute(Mode.SELECTIVE, 0, 0);
    }

    public static Recompute full() {
        return new Recompute(Mode.FULL, 0, 0);
    }

    public static Recompute lowest(int layers) {
        return new Recompute(Mode.LOWEST, layers, 0);
    }

    public static Recompute within(long budgetBytes) {
        return new Recompute(Mode.AUTO, 0, budgetBytes);
    }

    /** Finds the mix for a budget in bytes. */
    public interface Planner {
        Recomputation cheapest(long budgetBytes);
    }

    public Recomputation of(int nLayers, Planner planner) {
        return switch (mode) {
            case OFF -> Recomputation.none();
            case SELECTIVE -> new Recomputation(0, nLayers);
            case FULL -> new Recomputation(nLayers, 0);
            case LOWEST -> new Recomputation(Math.min(layers, nLayers), 0);
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
