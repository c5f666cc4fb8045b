package io.sails4j.bench;

import java.util.Arrays;
import java.util.List;

/**
 * How long one call took.
 *
 * @param seconds the number that counts: the median of the samples, or their best where the group says so
 * @param samples seconds of one call in each repetition, in the order in which they were measured
 */
public record Times(double seconds, List<Double> samples) {
    public Times {
        samples = List.copyOf(samples);
        if (samples.isEmpty()) {
            throw new IllegalArgumentException("samples is empty, expected one repetition or more");
        }
    }

    /** With the median of the repetitions; of an even number the upper one. */
    public static Times median(double... samples) {
        double[] sorted = samples.clone();
        Arrays.sort(sorted);
        return new Times(sorted[sorted.length / 2], listOf(samples));
    }

    /** With the fastest of the repetitions. */
    static Times best(double... samples) {
        return new Times(Arrays.stream(samples).min().orElseThrow(), listOf(samples));
    }

    /** Seconds of the fastest repetition. */
    double fastest() {
        return samples.stream().mapToDouble(s -> s).min().orElseThrow();
    }

    /** Of a part of the call: so many equal ones make the whole. */
    Times dividedBy(double parts) {
        return new Times(seconds / parts, samples.stream().map(s -> s / parts).toList());
    }

    private static List<Double> listOf(double[] samples) {
        return Arrays.stream(samples).boxed().toList();
    }
}
