package io.sails4j.monitor;

/** Of which tokens. */
public enum Part {
    /** Those that the model was given, but BOS, whose activations are like no other token's. */
    PROMPT,
    /** Those that it generated and read again: all but the last. */
    ANSWER,
    /** Both. */
    ALL;

    boolean has(boolean answer) {
        return this == ALL || answer == (this == ANSWER);
    }
}
