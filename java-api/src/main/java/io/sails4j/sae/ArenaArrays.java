package io.sails4j.sae;

import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.function.IntToDoubleFunction;
import java.util.stream.IntStream;

/** F32 arrays that are computed when a file is read, in memory of an arena. */
record ArenaArrays(Arena arena) {
    private static final int BLOCK = 64;

    static double[] ones(int n) {
        double[] ones = new double[n];
        Arrays.fill(ones, 1);
        return ones;
    }

    /** A row of a matrix. */
    static float[] row(HostTensor matrix, int row) {
        long width = matrix.shape().dim(1);
        long bytes = width * matrix.dtype().byteSize();
        return new HostTensor(matrix.dtype(), Shape.of(width), matrix.data().asSlice(row * bytes, bytes)).toFloatArray();
    }

    /** source [rows, cols] as F32 [cols, rows]; scales are those of its rows or of its columns. */
    HostTensor transposed(HostTensor source, double[] scales, boolean ofRows) {
        int rows = (int) source.shape().dim(0);
        int cols = (int) source.shape().dim(1);
        MemorySegment out = arena.allocate(4L * rows * cols, 64);
        IntStream.range(0, Math.ceilDiv(rows, BLOCK)).parallel().forEach(block -> {
            int first = block * BLOCK;
            int count = Math.min(BLOCK, rows - first);
            float[][] read = new float[count][];
            for (int r = 0; r < count; r++) {
                read[r] = row(source, first + r);
            }
            for (int c = 0; c < cols; c++) {
                for (int r = 0; r < count; r++) {
                    float value = (float) (read[r][c] * scales[ofRows ? first + r : c]);
                    out.setAtIndex(ValueLayout.JAVA_FLOAT, (long) c * rows + first + r, value);
                }
            }
        });
        return new HostTensor(DType.F32, Shape.of(cols, rows), out);
    }

    HostTensor vector(int n, IntToDoubleFunction value) {
        MemorySegment out = arena.allocate(4L * n, 64);
        for (int i = 0; i < n; i++) {
            out.setAtIndex(ValueLayout.JAVA_FLOAT, i, (float) value.applyAsDouble(i));
        }
        return new HostTensor(DType.F32, Shape.of(n), out);
    }
}
