package io.sails4j.monitor;

import java.lang.foreign.MemorySegment;
import java.util.Arrays;

/** The active features of some rows on the host: room for {@code capacity} of each. */
final class HostCodes {
    private final int capacity;
    private final int[] indices;
    private final float[] values;
    private final int[] counts;
    /** Made once: the tokens of an answer are read into them without new objects. */
    private final MemorySegment indexBytes;
    private final MemorySegment valueBytes;
    private final MemorySegment countBytes;

    HostCodes(int rows, int capacity) {
        this(capacity, new int[rows * capacity], new float[rows * capacity], new int[rows]);
    }

    private HostCodes(int capacity, int[] indices, float[] values, int[] counts) {
        this.capacity = capacity;
        this.indices = indices;
        this.values = values;
        this.counts = counts;
        this.indexBytes = MemorySegment.ofArray(indices);
        this.valueBytes = MemorySegment.ofArray(values);
        this.countBytes = MemorySegment.ofArray(counts);
    }

    HostCodes first(int rows) {
        return new HostCodes(capacity, Arrays.copyOf(indices, rows * capacity), Arrays.copyOf(values, rows * capacity),
            Arrays.copyOf(counts, rows));
    }

    MemorySegment indexBytes() {
        return indexBytes;
    }

    MemorySegment valueBytes() {
        return valueBytes;
    }

    MemorySegment countBytes() {
        return countBytes;
    }

    /** Active features that are there. */
    int count(int row) {
        return Math.min(counts[row], capacity);
    }

    /** Active features that there was no room for. */
    int missing(int row) {
        return Math.max(0, counts[row] - capacity);
    }

    int index(int row, int at) {
        return indices[row * capacity + at];
    }

    float value(int row, int at) {
        return values[row * capacity + at];
    }

    /** The sum of value times weight over the indices that are there, both rising. */
    double weighted(int row, int[] wanted, double[] weights) {
        double sum = 0;
        int from = row * capacity;
        int end = from + count(row);
        for (int at = from, w = 0; at < end && w < wanted.length;) {
            if (indices[at] == wanted[w]) {
                sum += values[at++] * weights[w++];
            } else if (indices[at] < wanted[w]) {
                at++;
            } else {
                w++;
            }
        }
        return sum;
    }

    /** 0 where the index is not there. */
    float valueOf(int row, int index) {
        int at = Arrays.binarySearch(indices, row * capacity, row * capacity + count(row), index);
        return at < 0 ? 0 : values[at];
    }
}
