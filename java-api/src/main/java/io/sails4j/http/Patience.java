package io.sails4j.http;

import java.time.Duration;

/**
 * How long a client waits for a server.
 *
 * @param tries without progress before it gives up
 * @param firstWait after the first of them; each is twice the one before
 * @param longestWait that a server may ask for by Retry-After
 * @param stall how long a server may send nothing
 */
public record Patience(int tries, Duration firstWait, Duration longestWait, Duration stall) {
    /** Six tries within half a minute. */
    public static Patience usual() {
        return new Patience(6, Duration.ofSeconds(1), Duration.ofMinutes(10), Duration.ofMinutes(1));
    }

    /** Before the next try, where so many failed after the first that did. */
    public Duration waitAfter(int failures) {
        return firstWait.multipliedBy(1L << Math.min(failures, 20));
    }

    /**
     * As {@link #waitAfter(int)}, shortened by up to a half, so that clients which failed together do not come back together.
     *
     * @param jitter from 0 (half of the wait) to 1 (all of it)
     */
    public Duration waitAfter(int failures, double jitter) {
        return Duration.ofNanos((long) (waitAfter(failures).toNanos() * (0.5 + 0.5 * jitter)));
    }
}
