package io.sails4j.bench;

import io.sails4j.NativeException;
import io.sails4j.ops.Engine;
import io.sails4j.ops.Graph;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Times what is queued on a device: many calls between two waits, so that neither the wait nor, where the device records graphs, the way
 * from Java to it counts. Buffers change from call to call, so that no cache holds what the last call left.
 */
final class Timer {
    private static final double NANO = 1e-9;
    /** Calls of one recorded graph: enough to hide its launch, few enough to be recorded quickly. */
    private static final int RECORDED_CALLS = 64;

    private final Engine engine;
    private final BenchSize size;

    Timer(Engine engine, BenchSize size) {
        this.engine = engine;
        this.size = size;
    }

    /**
     * Seconds of one call, the median of several queues.
     *
     * @param rotation the same call on buffers of its own each
     */
    double seconds(List<Runnable> rotation) {
        rotation.forEach(Runnable::run);
        engine.device().synchronize();
        double first = queue(() -> rotation.forEach(Runnable::run), 1);
        int passes = (int) Math.clamp(Math.ceil(RECORDED_CALLS / (double) rotation.size()), 1,
            Math.max(1, Math.ceil(size.queueSeconds() / first)));
        Runnable body = () -> {
            for (int pass = 0; pass < passes; pass++) {
                rotation.forEach(Runnable::run);
            }
        };
        try (Graph graph = recorded(body)) {
            return queued(graph == null ? body : graph::launch) / passes / rotation.size();
        }
    }

    /** Seconds of one call that cannot be recorded, because it brings data from the host. */
    double secondsUnrecorded(Runnable call) {
        call.run();
        return queued(call);
    }

    /** The median of several queues, by the call. */
    private double queued(Runnable call) {
        double once = queue(call, 1);
        int times = (int) Math.clamp(Math.ceil(size.queueSeconds() / once), 1, size.mostQueues());
        double[] repeats = new double[size.repeats()];
        Arrays.setAll(repeats, i -> queue(call, times));
        return median(repeats) / times;
    }

    /** Of an even number the upper one; sorts them. */
    static double median(double[] values) {
        Arrays.sort(values);
        return values[values.length / 2];
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
