package io.sails4j.stats;

import java.util.Arrays;

/** Means of a few values that are normally distributed, by Student's t. */
public final class StudentT {
    private static final int STEPS = 200;

    private StudentT() {
    }

    /**
     * The mean with its interval: s / sqrt(n) times the t quantile on either side.
     *
     * @param level of the interval, 0.95 for 95 %
     */
    public static Interval mean(double[] values, double level) {
        if (values.length < 2) {
            throw new IllegalArgumentException(values.length + " values have no interval, expected 2 or more");
        }
        double mean = Arrays.stream(values).average().orElseThrow();
        double half = halfWidth(deviation(values), values.length, level);
        return new Interval(mean, mean - half, mean + half);
    }

    /** The standard deviation of n - 1 of two or more values. */
    public static double deviation(double[] values) {
        double mean = Arrays.stream(values).average().orElseThrow();
        return Math.sqrt(Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum() / (values.length - 1));
    }

    /**
     * Half of the width of a mean's interval.
     *
     * @param sd standard deviation of one value
     * @param n values
     * @param level of the interval
     */
    public static double halfWidth(double sd, int n, double level) {
        return quantile((1 + level) / 2, n - 1) * sd / Math.sqrt(n);
    }

    /** What t with so many degrees of freedom stays below with a probability above one half: bisection of its distribution. */
    static double quantile(double probability, int degrees) {
        double low = 0;
        double high = 1;
        while (distribution(high, degrees) < probability) {
            high *= 2;
        }
        for (int i = 0; i < STEPS; i++) {
            double middle = (low + high) / 2;
            if (distribution(middle, degrees) < probability) {
                low = middle;
            } else {
                high = middle;
            }
        }
        return (low + high) / 2;
    }

    /** P(T <= t) for t >= 0 as a finite sum (Abramowitz and Stegun 1964, 26.7.3 and 26.7.4). */
    static double distribution(double t, int degrees) {
        double angle = Math.atan(t / Math.sqrt(degrees));
        double cosine = Math.cos(angle);
        boolean odd = degrees % 2 == 1;
        double term = odd ? cosine : 1;
        double sum = degrees == 1 ? 0 : term;
        for (int k = odd ? 3 : 2; k <= degrees - 2; k += 2) {
            term *= cosine * cosine * (k - 1) / k;
            sum += term;
        }
        double inside = odd ? 2 / Math.PI * (angle + Math.sin(angle) * sum) : Math.sin(angle) * sum;
        return (1 + inside) / 2;
    }
}
