package io.sails4j.monitor;

import io.sails4j.InputException;
import java.util.Locale;

/**
 * When a signal is an alarm. What counts is the signal's mean over the latest tokens. An alarm begins where it passes {@code on} and ends
 * where it is back past {@code off}; between the two everything stays as it is, so that a signal that wavers raises one alarm.
 *
 * @param side on which of {@code on} the alarm is
 * @param on the alarm begins beyond it
 * @param off the alarm ends before it; not farther on the alarm's side than {@code on}
 * @param window tokens of the mean, those that there are at the beginning
 */
public record Trigger(Side side, double on, double off, int window) {
    static final int LONGEST = 4096;

    /** A direction. */
    public enum Side {
        /** The alarm is at larger values. */
        ABOVE,
        /** The alarm is at smaller values. */
        BELOW
    }

    public Trigger {
        if (!Double.isFinite(on) || !Double.isFinite(off)) {
            throw new InputException("an alarm begins at " + on + " and ends at " + off + ", expected numbers");
        }
        if (side == Side.ABOVE ? off > on : off < on) {
            throw new InputException("an alarm that begins " + side.name().toLowerCase(Locale.ROOT) + " " + on + " ends at " + off
                + ", expected a value on the other side of it, or the same");
        }
        InputException.requireOption(window >= 1 && window <= LONGEST, "window", window, "1 to " + LONGEST + " tokens");
    }

    /** Whether an alarm that is not there begins. */
    boolean begins(double mean) {
        return side == Side.ABOVE ? mean > on : mean < on;
    }

    /** Whether an alarm that is there ends. */
    boolean ends(double mean) {
        return side == Side.ABOVE ? mean < off : mean > off;
    }
}
