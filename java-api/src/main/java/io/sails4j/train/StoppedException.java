package io.sails4j.train;

/** A run was asked to stop and did, with its state on disk. */
public final class StoppedException extends RuntimeException {
    private static final long serialVersionUID = 1;

    /** A stop, with the sentence for the user. */
    public StoppedException(String message) {
        super(message);
    }
}
