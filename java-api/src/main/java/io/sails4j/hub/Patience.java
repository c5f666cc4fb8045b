package io.sails4j.hub;

import java.time.Duration;

/**
 * How long a download waits for a server.
 *
 * @param tries without a byte of progress before it gives up
 * @param firstWait after the first of them; each is twice the one before
 * @param longestWait that a server may ask for by Retry-After
 * @param stall how long a server may send nothing
 */
record Patience(int tries, Duration firstWait, Duration longestWait, Duration stall) {
    static Patience usual() {
        return new Patience(6, Duration.ofSeconds(1), Duration.ofMinutes(10), Duration.ofMinutes(1));
    }

    Duration waitAfter(int failures) {
        return firstWait.multipliedBy(1L << Math.min(failures, 20));
    }
}
