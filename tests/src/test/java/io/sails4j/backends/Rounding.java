package io.sails4j.backends;

/**
 * How far two right computations of the same numbers may be apart. The scale is measured: the CPU library sums in another order on another
 * instruction set, and what that changes is what rounding can change in this computation, conditioned as it is.
 */
final class Rounding {
    /** Two orders of summation are two draws; a third may be this much further off. */
    private static final double FACTOR = 10;
    /** Where both instruction sets agree in every bit: a few roundings. */
    private static final double FLOOR = 16 * 0x1p-24;

    private Rounding() {
    }

    /** |a - b| / |b| in the Euclidean norm. */
    static double distance(float[] a, float[] b) {
        if (a.length != b.length) {
            throw new AssertionError(a.length + " numbers beside " + b.length);
        }
        double difference = 0;
        double size = 0;
        for (int i = 0; i < a.length; i++) {
            double d = (double) a[i] - b[i];
            difference += d * d;
            size += (double) b[i] * b[i];
        }
        return difference == 0 ? 0 : Math.sqrt(difference / size);
    }

    static double limit(float[] cpu, float[] cpuInAnotherOrder) {
        return Math.max(FLOOR, FACTOR * distance(cpuInAnotherOrder, cpu));
    }
}
