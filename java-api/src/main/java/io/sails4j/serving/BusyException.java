package io.sails4j.serving;

/**
 * A request was not taken, since too many wait already or the service is ending. The same request may be taken
 * later, here or by another.
 */
public final class BusyException extends RuntimeException {
    private static final long serialVersionUID = 1;

    private final boolean ending;

    BusyException(boolean ending, String message) {
        super(message);
        this.ending = ending;
    }

    /** Whether it is because the service ends: then this one will not take it later. */
    public boolean ending() {
        return ending;
    }
}
