package io.sails4j.io;

/** A file, option or data line is wrong. The message is one sentence: what, where, found, expected, what to do. */
public final class InputException extends RuntimeException {
    public InputException(String message) {
        super(message);
    }

    public InputException(String message, Throwable cause) {
        super(message, cause);
    }
}
