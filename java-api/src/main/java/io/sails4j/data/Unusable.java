package io.sails4j.data;

/** A pair that cannot be used, and why. The reason is what pairs are counted by: it names nothing that differs from line to line. */
final class Unusable extends Exception {
    private static final long serialVersionUID = 1;

    private final String reason;

    Unusable(String reason) {
        super(reason, null, false, false);
        this.reason = reason;
    }

    String reason() {
        return reason;
    }
}
