package io.sails4j.attack;

import java.util.function.LongSupplier;

/** How fast candidates are evaluated, gradients and everything else of a step included. */
final class SearchMeter {
    private final LongSupplier nanoTime;
    private long candidates;
    private long tokens;
    private long nanos;
    private long begun;

    SearchMeter(LongSupplier nanoTime) {
        this.nanoTime = nanoTime;
    }

    void begin() {
        begun = nanoTime.getAsLong();
    }

    void end() {
        nanos += nanoTime.getAsLong() - begun;
    }

    void evaluated(long count, long itsTokens) {
        candidates += count;
        tokens += itsTokens;
    }

    long tokens() {
        return tokens;
    }

    /** NaN where none was evaluated. */
    double perSecond() {
        return candidates == 0 ? Double.NaN : candidates * 1e9 / nanos;
    }
}
