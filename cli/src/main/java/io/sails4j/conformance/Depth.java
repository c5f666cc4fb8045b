package io.sails4j.conformance;

/** How much of a case is checked; each beside what the one before it checks. */
public enum Depth {
    /** One call: nothing beside its outputs was written. No oracle runs: for a library whose memory is watched. */
    MEMORY,
    /** And its values agree with the oracle. */
    VALUES,
    /** And a second call gives the same bits. */
    BITS
}
