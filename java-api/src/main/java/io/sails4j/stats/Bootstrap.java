package io.sails4j.stats;

import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.DoubleUnaryOperator;

/**
 * Percentile intervals by resampling (Efron and Tibshirani 1993, chapter 13): the same seed gives the same interval.
 *
 * @param seed of the resampling
 * @param resamples how many, some thousands
 */
public record Bootstrap(long seed, int resamples) {
    public Bootstrap {
        if (resamples < 1) {
            throw new IllegalArgumentException("resamples is " + resamples + ", expected 1 or more");
        }
    }

    /** With 5000 resamples, which keeps the bounds' own error below a tenth of the interval. */
    public static Bootstrap of(long seed) {
        return new Bootstrap(seed, 5000);
    }

    /** The mean with its interval. */
    public Interval mean(double[] values) {
        return statistic(values.length, drawn -> {
            double sum = 0;
            for (int i : drawn) {
                sum += values[i];
            }
            return sum / drawn.length;
        });
    }

    /**
     * The mean of first minus second over cases that both have; a case is drawn with both of its values.
     *
     * @param second as long as {@code first}, in the same order
     */
    public Interval pairedDifference(double[] first, double[] second) {
        if (first.length != second.length) {
            throw new IllegalArgumentException(first.length + " values beside " + second.length + ", expected pairs");
        }
        double[] differences = new double[first.length];
        Arrays.setAll(differences, i -> first[i] - second[i]);
        return mean(differences);
    }

    /** Any number that is computed of cases. */
    @FunctionalInterface
    public interface Statistic {
        /** The number for the cases with these indices, each of which may stand there several times. */
        double of(int[] cases);
    }

    /** A statistic of {@code n} cases with its interval. Resamples for which it is NaN say nothing and are left out. */
    public Interval statistic(int n, Statistic statistic) {
        int[] cases = new int[n];
        Arrays.setAll(cases, i -> i);
        double value = n == 0 ? Double.NaN : statistic.of(cases);
        if (Double.isNaN(value)) {
            return Interval.UNKNOWN;
        }
        SplittableRandom random = new SplittableRandom(seed);
        double[] drawn = new double[resamples];
        for (int r = 0; r < resamples; r++) {
            for (int i = 0; i < n; i++) {
                cases[i] = random.nextInt(n);
            }
            drawn[r] = statistic.of(cases);
        }
        double[] known = Arrays.stream(drawn).filter(v -> !Double.isNaN(v)).sorted().toArray();
        DoubleUnaryOperator quantile = q -> {
            double at = q * (known.length - 1);
            int below = (int) at;
            int above = Math.min(below + 1, known.length - 1);
            return known[below] + (at - below) * (known[above] - known[below]);
        };
        return known.length == 0 ? Interval.UNKNOWN
            : new Interval(value, quantile.applyAsDouble(0.025), quantile.applyAsDouble(0.975));
    }
}
