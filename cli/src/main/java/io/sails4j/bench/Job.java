package io.sails4j.bench;

import io.sails4j.ops.Engine;

/**
 * What is measured at once, after which a run can be stopped.
 *
 * @param group of the command line
 * @param what is measured, for people
 * @param rows that it gives
 */
record Job(String group, String what, int rows, Body body) {
    /** Measures on an engine that the group's jobs share, and tells the listener each row. */
    @FunctionalInterface
    interface Body {
        void run(Engine engine, BenchListener listener);
    }

    void run(Engine engine, BenchListener listener) {
        listener.unlessTooLarge(group + ", " + what, () -> body.run(engine, listener));
    }
}
