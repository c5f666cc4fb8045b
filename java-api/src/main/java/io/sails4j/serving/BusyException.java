package io.sails4j.serving;

/** A request was not taken, since too many wait already or the service is ending. The same request may be taken later. */
public final class BusyException extends RuntimeException {
    private static final long serialVersionUID = 1;

    BusyException(String message) {
        super(message);
    }
}
