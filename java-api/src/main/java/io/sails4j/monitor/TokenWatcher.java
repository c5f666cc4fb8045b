package io.sails4j.monitor;

/** Sees the active features of each token of a sequence. */
@FunctionalInterface
public interface TokenWatcher {
    /**
     * Called on the thread that generates, which waits for it. What it throws ends the sequence.
     *
     * @param token valid during the call
     */
    void token(TokenView token);
}
