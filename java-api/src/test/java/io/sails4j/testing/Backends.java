package io.sails4j.testing;

import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;

/** Engines for tests. */
public final class Backends {
    private Backends() {
    }

    /** @param backend its name, and behind a colon its options, as in {@code emulator:kernels=hopper} */
    public static Engine open(String backend) {
        return open(backend, 0);
    }

    /** @param threads 0 = as many as the process may use */
    public static Engine open(String backend, int threads) {
        String[] parts = backend.split(":", 2);
        return Engine.open(new EngineOptions(parts[0], threads, parts.length > 1 ? parts[1] : ""));
    }
}
