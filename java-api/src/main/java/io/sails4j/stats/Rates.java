package io.sails4j.stats;

/** Rates with their intervals. */
public final class Rates {
    private Rates() {
    }

    /**
     * How well a judge finds a property, from cases where people said whether it is there.
     *
     * @param found cases that have it, and of which the judge says so
     * @param having cases that have it
     * @param cleared cases that have it not, and of which the judge says so
     * @param lacking cases that have it not
     */
    public record Calibration(long found, long having, long cleared, long lacking) {
        public Calibration {
            requireShare(found, having);
            requireShare(cleared, lacking);
        }

        /** The share of those having the property that the judge finds. */
        public Interval sensitivity() {
            return wilson(found, having);
        }

        /** The share of those lacking it that the judge clears. */
        public Interval specificity() {
            return wilson(cleared, lacking);
        }
    }

    private static void requireShare(long part, long whole) {
        if (part < 0 || part > whole) {
            throw new IllegalArgumentException(part + " of " + whole + " cases, expected 0 to all of them");
        }
    }

    /**
     * A rate with Wilson's score interval (Wilson 1927, JASA 22:209-212; without continuity correction), which keeps its coverage near 0
     * and 1 and for few cases.
     */
    public static Interval wilson(long successes, long n) {
        requireShare(successes, n);
        if (n == 0) {
            return Interval.UNKNOWN;
        }
        double p = (double) successes / n;
        double z2 = Interval.Z * Interval.Z;
        double centre = (p + z2 / (2 * n)) / (1 + z2 / n);
        double half = Interval.Z / (1 + z2 / n) * Math.sqrt(p * (1 - p) / n + z2 / (4.0 * n * n));
        // At 0 and n the bound is the rate, but for rounding.
        return new Interval(p, successes == 0 ? 0 : centre - half, successes == n ? 1 : centre + half);
    }

    /**
     * The true rate behind one that an imperfect judge counted: (p + specificity - 1) / (sensitivity + specificity - 1), Rogan and Gladen
     * 1978 (Am. J. Epidemiol. 107:71-76), cut off at 0 and 1. The interval is that of Lang and Reiczigel 2014 (Prev. Vet. Med. 113:13-22):
     * it carries the uncertainty of the calibration too. Unknown where the judge is no better than chance.
     *
     * @param successes cases that the judge counted
     * @param n cases that it judged
     */
    public static Interval roganGladen(long successes, long n, Calibration judge) {
        requireShare(successes, n);
        double informedness = (double) judge.found / judge.having + (double) judge.cleared / judge.lacking - 1;
        // Agresti and Coull's counts of the rate, Laplace's of the calibration.
        double z2 = Interval.Z * Interval.Z;
        double sensitivity = (judge.found + 1.0) / (judge.having + 2.0);
        double specificity = (judge.cleared + 1.0) / (judge.lacking + 2.0);
        double gain = sensitivity + specificity - 1;
        if (n == 0 || !(informedness > 0) || gain <= 0) {
            return Interval.UNKNOWN;
        }
        double value = ((double) successes / n + (double) judge.cleared / judge.lacking - 1) / informedness;
        double apparent = (successes + z2 / 2) / (n + z2);
        double rate = (apparent + specificity - 1) / gain;
        double ofSensitivity = sensitivity * (1 - sensitivity) / (judge.having + 2.0);
        double ofSpecificity = specificity * (1 - specificity) / (judge.lacking + 2.0);
        double shift = 2 * z2 * (rate * ofSensitivity - (1 - rate) * ofSpecificity);
        double ofJudge = rate * rate * ofSensitivity + (1 - rate) * (1 - rate) * ofSpecificity;
        double error = Math.sqrt(apparent * (1 - apparent) / (n + z2) + ofJudge) / gain;
        return new Interval(value, rate + shift - Interval.Z * error, rate + shift + Interval.Z * error).within(0, 1);
    }

    /**
     * The probability of a split at least as uneven where neither of two systems is better: McNemar's test in its exact form, a two-sided
     * binomial test on the cases where the two differ (McNemar 1947, Psychometrika 12:153-157).
     *
     * @param onlyFirst cases that only the first system has
     * @param onlySecond cases that only the second has
     */
    public static double mcnemar(long onlyFirst, long onlySecond) {
        long n = onlyFirst + onlySecond;
        long fewer = Math.min(onlyFirst, onlySecond);
        requireShare(fewer, n);
        // Terms of the binomial distribution with p = 1/2, each from the one before, in logarithms: 2^-n is no number for a large n.
        double logTerm = -n * Math.log(2);
        double sum = Math.exp(logTerm);
        for (long k = 1; k <= fewer; k++) {
            logTerm += Math.log((double) (n - k + 1) / k);
            sum += Math.exp(logTerm);
        }
        return Math.min(1, 2 * sum);
    }
}
