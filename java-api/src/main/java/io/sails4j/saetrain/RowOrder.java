package io.sails4j.saetrain;

/**
 * A permutation of 0 to n - 1 that needs no memory: four rounds of a Feistel network over the next even number of bits, gone through again
 * while the result is not below n.
 */
record RowOrder(long n, long key) {
    private static final int ROUNDS = 4;

    static RowOrder of(long n, long seed, long epoch) {
        return new RowOrder(n, mix(seed * 0x9E3779B97F4A7C15L + epoch));
    }

    /** The row at a place. */
    long at(long place) {
        int half = Math.max(1, (64 - Long.numberOfLeadingZeros(Math.max(1, n - 1)) + 1) / 2);
        long mask = (1L << half) - 1;
        long at = place;
        do {
            long left = at >>> half;
            long right = at & mask;
            for (int round = 0; round < ROUNDS; round++) {
                long next = left ^ mix(right + key + round * 0xD1B54A32D192ED03L) & mask;
                left = right;
                right = next;
            }
            at = left << half | right;
        } while (at >= n);
        return at;
    }

    /** The finalizer of SplitMix64 (Steele, Lea and Flood 2014). */
    private static long mix(long value) {
        long z = (value ^ value >>> 30) * 0xBF58476D1CE4E5B9L;
        z = (z ^ z >>> 27) * 0x94D049BB133111EBL;
        return z ^ z >>> 31;
    }
}
