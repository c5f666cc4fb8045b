package io.sails4j.ops;

/**
 * Whether what comes again, a step of a training or of a generation, is recorded once as a {@link Graph} and then launched whole. The bits
 * are the same either way.
 */
public enum Graphs {
    /** Where the backend can record. */
    AUTO,
    /** Or say that the backend cannot. */
    ON,
    /** Never. */
    OFF
}
