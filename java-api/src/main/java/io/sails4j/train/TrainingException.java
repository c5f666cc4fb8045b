package io.sails4j.train;

/** Training cannot go on: a loss or a gradient is not finite. */
public final class TrainingException extends RuntimeException {
    public TrainingException(String message) {
        super(message);
    }
}
