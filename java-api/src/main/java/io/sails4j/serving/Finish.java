package io.sails4j.serving;

/** Why nothing more comes. */
public enum Finish {
    /** The model ended it by a stop token, or a stop string came. */
    STOP,
    /** As many tokens came as were asked for. */
    LENGTH,
    /** A rule of the monitor ended it; the completion's events say which. */
    MONITOR,
    /** The caller cancelled it. */
    CANCELLED,
    /** Its time was over. */
    TIME_LIMIT,
    /** The scheduler was closed. */
    CLOSED,
    /** Something broke; the ending says what. */
    FAILED
}
