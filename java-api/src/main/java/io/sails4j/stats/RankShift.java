package io.sails4j.stats;

import java.util.Arrays;

/**
 * By how much one sample lies above another, whatever their distributions: the median of all differences (Hodges and Lehmann 1963), with
 * the interval that the rank sum test of Mann and Whitney (1947) does not reject (Hollander and Wolfe 1999, section 4.3). Few values are
 * enough, and a single one that is far off moves nothing.
 *
 * @param shift the estimate of first minus second, with its interval
 * @param confidence of the interval: 0.95 or more where the samples are large enough (four values each), else what they allow
 */
public record RankShift(Interval shift, double confidence) {
    private static final double WANTED = 0.95;
    /** Past which the distribution of ranks is normal to three digits. */
    private static final int EXACT = 40;

    /** The shift of {@code first} against {@code second}, each of one value or more. */
    public static RankShift of(double[] first, double[] second) {
        if (first.length == 0 || second.length == 0) {
            throw new IllegalArgumentException(first.length + " values beside " + second.length + ", expected at least one each");
        }
        double[] differences = new double[Math.multiplyExact(first.length, second.length)];
        for (int i = 0; i < differences.length; i++) {
            differences[i] = first[i / second.length] - second[i % second.length];
        }
        Arrays.sort(differences);
        int n = differences.length;
        double middle = (differences[(n - 1) / 2] + differences[n / 2]) / 2;
        int cut = 0;
        double[] below = cumulative(first.length, second.length);
        while (cut + 1 < (n + 1) / 2 && 2 * below[cut + 1] <= 1 - WANTED) {
            cut++;
        }
        return new RankShift(new Interval(middle, differences[cut], differences[n - 1 - cut]), Math.max(0, 1 - 2 * below[cut]));
    }

    /** Element u is the probability that at most u pairs are in the wrong order where nothing is shifted, for u up to the middle. */
    private static double[] cumulative(int first, int second) {
        int most = first * second / 2 + 1;
        double[] sums = new double[most + 1];
        if (first > EXACT || second > EXACT) {
            double deviation = Math.sqrt(first * (double) second * (first + second + 1) / 12);
            for (int u = 0; u <= most; u++) {
                sums[u] = normal((u + 0.5 - first * (double) second / 2) / deviation);
            }
            return sums;
        }
        double total = 0;
        double[] counts = counts(first, second);
        for (double count : counts) {
            total += count;
        }
        double sum = 0;
        for (int u = 0; u <= most; u++) {
            sum += u < counts.length ? counts[u] : 0;
            sums[u] = sum / total;
        }
        return sums;
    }

    /** How many orders of the two samples have u pairs in the wrong order: N(i, j, u) = N(i - 1, j, u - j) + N(i, j - 1, u). */
    private static double[] counts(int first, int second) {
        double[][] row = new double[second + 1][first * second + 1];
        for (double[] counts : row) {
            counts[0] = 1;
        }
        for (int i = 1; i <= first; i++) {
            for (int j = 1; j <= second; j++) {
                double[] next = new double[first * second + 1];
                for (int u = 0; u < next.length; u++) {
                    next[u] = row[j - 1][u] + (u >= j ? row[j][u - j] : 0);
                }
                row[j] = next;
            }
        }
        return row[second];
    }

    /** The distribution function of the normal distribution, by the logistic approximation of Page (1977); its error is below 2e-4. */
    private static double normal(double z) {
        return 1 / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * z * (1 + 0.044715 * z * z)));
    }
}
