package io.sails4j.ops;

import io.sails4j.tensor.Backend;
import java.util.Arrays;
import java.util.Locale;

/**
 * How to open an {@link Engine}.
 *
 * @param backend {@code auto}, {@code cpu}, {@code cuda} or {@code emulator}
 * @param threads number of threads, 0 = as many as the process may use
 * @param deviceOptions {@code key=value,...} for the backend, see {@code sails_device_open}
 */
public record EngineOptions(String backend, int threads, String deviceOptions) {
    public static final String AUTO = "auto";

    public EngineOptions {
        if (!backend.equals(AUTO) && Arrays.stream(Backend.values()).noneMatch(b -> name(b).equals(backend))) {
            throw new IllegalArgumentException("backend '" + backend + "' is unknown, expected auto, cpu, cuda or emulator");
        }
        if (threads < 0) {
            throw new IllegalArgumentException("threads is " + threads + ", expected a number >= 0 (0 = all)");
        }
    }

    /** The automatic choice on all threads. */
    public static EngineOptions defaults() {
        return new EngineOptions(AUTO, 0, "");
    }

    static String name(Backend backend) {
        return backend.name().toLowerCase(Locale.ROOT);
    }
}
