package io.sails4j.train;

/** Training cannot go on: a loss or a gradient is not finite. */
public final class TrainingException extends RuntimeException {
    /** A failure, with the sentence for the user. */
    public TrainingException(String message) {
        super(message);
    }
}
