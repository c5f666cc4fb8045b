package io.sails4j.http;

import java.time.Duration;
import java.time.Instant;

/** Time as a client of a server sees it. */
public interface Waiting {
    /** The time by which a server's dates are read. */
    Instant now();

    /** Lets so much time pass. */
    void pause(Duration wait) throws InterruptedException;

    /** The time of this machine. */
    static Waiting real() {
        return new Waiting() {
            @Override
            public Instant now() {
                return Instant.now();
            }

            @Override
            public void pause(Duration wait) throws InterruptedException {
                Thread.sleep(wait);
            }
        };
    }
}
