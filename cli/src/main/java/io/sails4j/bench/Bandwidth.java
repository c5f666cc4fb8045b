package io.sails4j.bench;

import io.sails4j.ops.Engine;
import io.sails4j.tensor.Backend;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.List;
import java.util.Locale;

/**
 * What memory gives at most, in bytes a second, by all threads of the device over buffers that no cache holds.
 *
 * @param copy read and written together
 * @param read 0 where it was not measured: on cards and on the emulator a copy stands for both
 * @param readSource which call read so fast, for people
 */
public record Bandwidth(double copy, double read, String readSource) {
    private static final int ROW = 4096;
    private static final double GIGA = 1e-9;

    static Bandwidth measure(Engine engine, BenchSize.Timing timing) {
        try (TensorArena memory = new TensorArena(engine.device())) {
            long bytes = timing.copyBytes();
            long rows = bytes / Float.BYTES / ROW;
            Tensor from = memory.zeros(DType.F32, rows, ROW);
            Tensor to = memory.zeros(DType.F32, rows, ROW);
            Timer timer = new Timer(engine, timing);
            Times copying = timer.seconds(List.of(() -> to.copyFrom(from)));
            if (engine.backend() != Backend.CPU) {
                return new Bandwidth(2.0 * bytes / copying.seconds(), 0, "not measured");
            }
            double sum = bytes / timer.secondsUnrecorded(() -> engine.ops().elementwise().sumOfSquares(List.of(from))).fastest();
            double row = rowBytesPerSecond(engine, timer, from, memory);
            return new Bandwidth(2.0 * bytes / copying.fastest(), Math.max(sum, row), String.format(Locale.ROOT,
                "%d MiB by all threads; sums of squares %.1f, a product of one row %.1f GB/s", bytes >> 20, sum * GIGA, row * GIGA));
        }
    }

    /** A row times a matrix reads the matrix once. */
    private static double rowBytesPerSecond(Engine engine, Timer timer, Tensor matrix, TensorArena memory) {
        Tensor x = memory.zeros(DType.F32, 1, ROW);
        Tensor y = memory.zeros(DType.F32, 1, matrix.dim(0));
        return matrix.byteSize() / timer.seconds(List.of(() -> engine.ops().matmul().matmul(y, x, matrix, false, true, 1, 0))).fastest();
    }

    Bandwidth orBetter(Bandwidth again) {
        Bandwidth reading = read >= again.read ? this : again;
        return new Bandwidth(Math.max(copy, again.copy), reading.read, reading.readSource);
    }
}
