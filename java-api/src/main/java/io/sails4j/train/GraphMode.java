package io.sails4j.train;

/** Whether passes and the optimizer are recorded as graphs and launched again: where the backend can, always (an error where it cannot), or never. The bits are the same. */
public enum GraphMode {
    AUTO, ON, OFF
}
