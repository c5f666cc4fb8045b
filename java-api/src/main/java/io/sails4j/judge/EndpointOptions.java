package io.sails4j.judge;

import io.sails4j.InputException;
import java.time.Duration;

/**
 * How a server is asked.
 *
 * @param maxTokens that an answer may have; models that think before they answer need thousands
 * @param seed of the server's sampling, where it knows one, and of the waits between tries
 * @param concurrency requests at a time
 * @param timeout of one request
 * @param tries of one request before it is given up
 */
public record EndpointOptions(int maxTokens, long seed, int concurrency, Duration timeout, int tries) {
    private static final Duration MOST = Duration.ofHours(1);

    public EndpointOptions {
        InputException.requireOption(maxTokens >= 1, "max_tokens", maxTokens, "at least 1");
        InputException.requireOption(concurrency >= 1 && concurrency <= 1024, "concurrency", concurrency, "1 to 1024");
        InputException.requireOption(timeout.isPositive() && timeout.compareTo(MOST) <= 0, "timeout", timeout.toMillis() / 1e3,
            "seconds above 0, at most " + MOST.toSeconds());
        InputException.requireOption(tries >= 1 && tries <= 100, "tries", tries, "1 to 100");
    }

    /** 1024 tokens, 8 requests at a time, two minutes each, 8 tries. */
    public static EndpointOptions defaults() {
        return new EndpointOptions(1024, 0, 8, Duration.ofMinutes(2), 8);
    }
}
