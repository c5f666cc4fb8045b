package io.sails4j.run;

/** A run was asked to stop and did, with its state on disk. */
public final class StoppedException extends RuntimeException {
    private static final long serialVersionUID = 1;

    public StoppedException(String message) {
        super(message);
    }
}
