package io.sails4j.bench;

import io.sails4j.NativeException;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Graph;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Times what is queued on a device: many calls between two waits, so that neither the wait nor, where the device records graphs, the way
 * from Java to it counts. Buffers change from call to call, so that no cache holds what the last call left.
 */
final class Timer {
    private static final double NANO = 1e-9;
    /** Calls of one recorded graph: enough to hide its launch, few enough to be recorded quickly. */
    private static final int RECORDED_CALLS = 64;
    /** Of which a median says something. */
    private static final int FEWEST = 3;

    private final Engine engine;
    private final BenchSize.Timing timing;

    Timer(Engine engine, BenchSize.Timing timing) {
        this.engine = engine;
        this.timing = timing;
    }

    /**
     * Seconds of one call in each of several queues, and their median.
     *
     * @param rotation the same call on buffers of its own each
     */
    Times seconds(List<Runnable> rotation) {
        rotation.forEach(Runnable::run);
        engine.device().synchronize();
        double first = queue(() -> rotation.forEach(Runnable::run), 1);
        int passes = (int) Math.clamp(Math.ceil(RECORDED_CALLS / (double) rotation.size()), 1,
            Math.max(1, Math.ceil(timing.queueSeconds() / first)));
        Runnable body = () -> {
            for (int pass = 0; pass < passes; pass++) {
                rotation.forEach(Runnable::run);
            }
        };
        try (Graph graph = recorded(body)) {
            return queued(graph == null ? body : graph::launch).dividedBy((double) passes * rotation.size());
        }
    }

    /** Seconds of one call that cannot be recorded, because it brings data from the host. */
    Times secondsUnrecorded(Runnable call) {
        call.run();
        return queued(call);
    }

    /** The median of several queues, by the call. */
    private Times queued(Runnable call) {
        double once = queue(call, 1);
        int times = (int) Math.clamp(Math.ceil(timing.queueSeconds() / once), 1, timing.mostQueues());
        return Times.median(repeated(timing, timing.repeats(), () -> queue(call, times))).dividedBy(times);
    }

    /** Seconds of up to so many repetitions, of fewer where they take longer than a row may. */
    static double[] repeated(BenchSize.Timing timing, int most, DoubleSupplier measurement) {
        double[] seconds = new double[most];
        long start = System.nanoTime();
        for (int i = 0; i < seconds.length; i++) {
            if (i >= FEWEST && (System.nanoTime() - start) * NANO > timing.rowSeconds()) {
                return Arrays.copyOf(seconds, i);
            }
            seconds[i] = measurement.getAsDouble();
        }
        return seconds;
    }

    /** Null where the device records nothing, or the body waits for a result. */
    private @Nullable Graph recorded(Runnable body) {
        try {
            return engine.record(body);
        } catch (NativeException e) {
            return null;
        }
    }

    private double queue(Runnable body, int times) {
        long start = System.nanoTime();
        for (int i = 0; i < times; i++) {
            body.run();
        }
        engine.device().synchronize();
        return Math.max(NANO, (System.nanoTime() - start) * NANO);
    }
}
