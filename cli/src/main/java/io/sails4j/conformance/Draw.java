package io.sails4j.conformance;

import java.util.random.RandomGenerator;

/** How the elements of an argument are drawn. */
@FunctionalInterface
public interface Draw {
    double next(RandomGenerator random, int index);

    static Draw normal(double scale) {
        return (random, i) -> scale * random.nextGaussian();
    }

    static Draw uniform(double from, double to) {
        return (random, i) -> from + (to - from) * random.nextDouble();
    }

    /** Whole numbers in [from, to). */
    static Draw ints(int from, int to) {
        return (random, i) -> random.nextInt(from, to);
    }

    /** Multiples of 1/denominator in [-limit/denominator, limit/denominator]: sums of their products are exact in f32. */
    static Draw dyadic(int limit, int denominator) {
        return (random, i) -> (double) random.nextInt(-limit, limit + 1) / denominator;
    }

    static Draw of(double... values) {
        return (random, i) -> values[i];
    }

    static Draw constant(double value) {
        return (random, i) -> value;
    }
}
