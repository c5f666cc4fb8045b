package io.sails4j.data;

/** Receives how far a long computation has come. Called often, from the thread that computes. */
@FunctionalInterface
public interface Progress {
    /**
     * Called as the work goes on.
     *
     * @param done items finished
     * @param total items in all
     * @param tokens tokens processed since the start
     */
    void update(long done, long total, long tokens);

    /** The same with a few words about the work itself. */
    default void update(long done, long total, long tokens, String detail) {
        update(done, total, tokens);
    }

    /** Progress that nobody looks at. */
    static Progress none() {
        return (done, total, tokens) -> {};
    }
}
