package io.sails4j.bench;

import io.sails4j.NativeException;

/** Sees the benchmarks' results as they come. */
public interface BenchListener {
    void measured(BenchResult line);

    /** @param sentence what does not fit into the device's memory, and the device's numbers */
    void tooLarge(String sentence);

    /**
     * Hears what is measured next.
     *
     * @param what its group and shape, for people
     * @param before rows that were measured, or did not fit, before it
     * @param rows of the whole run
     */
    default void measuring(String what, int before, int rows) {
        // Who only collects results need not know.
    }

    /** Runs what may not fit. */
    default void unlessTooLarge(String what, Runnable body) {
        try {
            body.run();
        } catch (NativeException e) {
            if (e.code() != NativeException.OUT_OF_MEMORY) {
                throw e;
            }
            tooLarge(what + ": " + e.text());
        }
    }
}
