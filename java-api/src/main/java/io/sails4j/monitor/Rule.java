package io.sails4j.monitor;

import io.sails4j.InputException;

/**
 * A signal that is watched, and what an alarm of it does.
 *
 * @param name for events and metrics: letters, digits, {@code -}, {@code _}, {@code .}
 * @param part the tokens that count
 */
public record Rule(String name, Signal signal, Part part, Trigger trigger, Action action) {
    public Rule {
        if (!name.matches("[A-Za-z0-9._-]{1,64}")) {
            throw new InputException("a rule's name is '" + name + "', expected 1 to 64 letters, digits, '-', '_' or '.'");
        }
    }

    /** The same with something else done. */
    public Rule doing(Action other) {
        return new Rule(name, signal, part, trigger, other);
    }
}
