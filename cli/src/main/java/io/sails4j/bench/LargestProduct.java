package io.sails4j.bench;

import io.sails4j.ops.Engine;
import io.sails4j.ops.MatmulPeak;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * The fastest of a few products of matrices on a CPU. It is a product of the library's, so no more than a lower bound of what the CPU's
 * arithmetic could do; which product it was stands beside it.
 */
final class LargestProduct {
    /**
     * Squares that caches hold and do not, and a layer of Gemma-2 2B for 512 tokens. Those count whose matrices are no larger than the
     * copy that memory is measured with.
     */
    private static final List<Shape> SHAPES = List.of(new Shape(128, 128, 128), new Shape(512, 512, 512), new Shape(1024, 1024, 1024),
        new Shape(2048, 2048, 2048),
        new Shape(512, 9216, 2304));
    private static final double LONGEST_SECONDS = 0.3;
    private static final int TRIES = 12;
    private static final double NANO = 1e-9;

    /** Rows and columns of the result, and terms of each sum. */
    private record Shape(int m, int n, int k) {
        double flops() {
            return 2.0 * m * n * k;
        }

        long bytes() {
            return 4L * ((long) m * k + (long) n * k + (long) m * n);
        }
    }

    private LargestProduct() {
    }

    static MatmulPeak measure(Engine engine, DType dtype, BenchSize size) {
        return SHAPES.stream().filter(shape -> shape.bytes() <= size.timing().copyBytes()).map(shape -> {
            double rate = shape.flops() / fastest(engine, dtype, shape);
            String source = String.format(Locale.ROOT, "fastest large product of this run, %d x %d x %d in %s", shape.m, shape.n, shape.k,
                dtype);
            return new MatmulPeak(rate, source);
        }).max(Comparator.comparingDouble(MatmulPeak::flopsPerSecond)).orElseThrow();
    }

    private static double fastest(Engine engine, DType dtype, Shape shape) {
        try (TensorArena memory = new TensorArena(engine.device())) {
            Tensor a = random(engine, memory, dtype, shape.m, shape.k);
            Tensor b = random(engine, memory, dtype, shape.n, shape.k);
            Tensor c = memory.allocate(dtype, shape.m, shape.n);
            double best = Double.POSITIVE_INFINITY;
            long begin = System.nanoTime();
            for (int i = 0; i < TRIES && (i < 2 || (System.nanoTime() - begin) * NANO < LONGEST_SECONDS); i++) {
                long start = System.nanoTime();
                engine.ops().matmul().matmul(c, a, b, false, true, 1, 0);
                best = Math.min(best, Math.max(NANO, (System.nanoTime() - start) * NANO));
            }
            return best;
        }
    }

    private static Tensor random(Engine engine, TensorArena memory, DType dtype, int rows, int cols) {
        SplittableRandom random = new SplittableRandom(rows);
        float[] values = new float[rows * cols];
        for (int i = 0; i < values.length; i++) {
            values[i] = random.nextInt() * 0x1p-31f;
        }
        Tensor typed = memory.allocate(dtype, rows, cols);
        TensorArena.Mark mark = memory.mark();
        engine.ops().elementwise().convert(typed, memory.of(values, rows, cols));
        memory.release(mark);
        return typed;
    }
}
