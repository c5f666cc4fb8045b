package io.sails4j.ops;

import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * What a device can do at most, beside which a training step is put.
 *
 * @param flopsPerSecond above 0
 * @param source how it is known, for people
 */
public record MatmulPeak(double flopsPerSecond, String source) {
    /** Products are made larger until one takes so long: then neither launch nor wait counts. */
    private static final double LONG_ENOUGH_SECONDS = 0.02;
    private static final int LARGEST = 4096;
    /** Of the largest product, which a fast device does in a fraction of a millisecond, so many are queued at once. */
    private static final int QUEUED = 16;
    private static final int TRIES = 3;
    /** A prime: no two rows of a matrix are the same. */
    private static final int PERIOD = 65_537;
    private static final double NANO = 1e-9;

    /** A rate that somebody named, in FLOP/s. */
    public static MatmulPeak given(double flopsPerSecond) {
        return new MatmulPeak(flopsPerSecond, "given");
    }

    /** The best of a few square products in the given type; takes tenths of a second. */
    public static MatmulPeak measure(Engine engine, DType dtype) {
        for (int n = 64;; n *= 2) {
            int queued = n == LARGEST ? QUEUED : 1;
            double seconds = seconds(engine, dtype, n, queued);
            if (seconds >= LONG_ENOUGH_SECONDS || n == LARGEST) {
                return new MatmulPeak(2.0 * n * n * n * queued / seconds,
                    String.format(Locale.ROOT, "measured in this run, product of %d x %d x %d in %s", n, n, n,
                        dtype));
            }
        }
    }

    private static double seconds(Engine engine, DType dtype, int n, int queued) {
        try (TensorArena memory = new TensorArena(engine.device())) {
            Tensor a = random(engine, memory, dtype, n, 1);
            Tensor b = random(engine, memory, dtype, n, 2);
            Tensor c = memory.allocate(dtype, n, n);
            double best = Double.POSITIVE_INFINITY;
            for (int i = 0; i <= TRIES && !(i > 1 && best > 10 * LONG_ENOUGH_SECONDS); i++) {
                long start = System.nanoTime();
                for (int k = 0; k < queued; k++) {
                    engine.ops().matmul().matmul(c, a, b, false, true, 1, 0);
                }
                engine.device().synchronize();
                best = Math.min(best, (System.nanoTime() - start) * NANO);
            }
            return best;
        }
    }

    /** Some random numbers again and again: to draw each would take longer than the products. */
    private static Tensor random(Engine engine, TensorArena memory, DType dtype, int n, long seed) {
        SplittableRandom random = new SplittableRandom(seed);
        float[] values = new float[n * n];
        int drawn = Math.min(PERIOD, values.length);
        for (int i = 0; i < drawn; i++) {
            values[i] = (float) random.nextDouble(-1, 1);
        }
        for (int i = drawn; i < values.length; i += PERIOD) {
            System.arraycopy(values, 0, values, i, Math.min(PERIOD, values.length - i));
        }
        Tensor typed = memory.allocate(dtype, n, n);
        TensorArena.Mark mark = memory.mark();
        engine.ops().elementwise().convert(typed, memory.of(values, n, n));
        memory.release(mark);
        return typed;
    }
}
