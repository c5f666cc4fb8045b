package io.sails4j.ops;

import io.sails4j.InputException;
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
    /** Leaves the choice of the backend to {@link Engine#open}. */
    public static final String AUTO = "auto";
    private static final int MAX_THREADS = 1024;

    public EngineOptions {
        if (!backend.equals(AUTO) && Arrays.stream(Backend.values()).noneMatch(b -> name(b).equals(backend))) {
            throw new InputException("backend '" + backend + "' is unknown, expected auto, cpu, cuda or emulator");
        }
        InputException.requireOption(threads >= 0 && threads <= MAX_THREADS, "threads", threads,
            "0 to " + MAX_THREADS + " (0 = as many as the process may use)");
    }

    /** The automatic choice on all threads. */
    public static EngineOptions defaults() {
        return new EngineOptions(AUTO, 0, "");
    }

    static String name(Backend backend) {
        return backend.name().toLowerCase(Locale.ROOT);
    }
}
