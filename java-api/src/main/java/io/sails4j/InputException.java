package io.sails4j;

import io.sails4j.options.Options;
import org.jspecify.annotations.Nullable;

/** A file, option or data line is wrong. The message is one sentence: what, where, found, expected, what to do. */
public final class InputException extends RuntimeException {
    /** With the sentence for the user. */
    public InputException(String message) {
        super(message);
    }

    /** With the sentence for the user, and what it was found by. */
    public InputException(String message, @Nullable Throwable cause) {
        super(message, cause);
    }

    /**
     * An option has a value that it cannot have. Sentences name options in snake case, and their values as {@code name=value}; a command
     * line turns them into its flags.
     */
    public static InputException ofOption(String name, Object found, String expected) {
        return new InputException(name + " is " + Options.spelling(found) + ", expected " + expected);
    }

    /** Throws {@link #ofOption} where the condition does not hold. */
    public static void requireOption(boolean condition, String name, Object found, String expected) {
        if (!condition) {
            throw ofOption(name, found, expected);
        }
    }
}
