package io.sails4j.stats;

import java.util.Arrays;
import java.util.List;

/** How often two raters gave a case which labels: people and a judge, or two judges. */
public final class ConfusionMatrix {
    private final List<String> labels;
    private final long[][] counts;

    /** An empty one over some labels. */
    public ConfusionMatrix(List<String> labels) {
        this.labels = List.copyOf(labels);
        this.counts = new long[labels.size()][labels.size()];
    }

    /** Counts one case. */
    public void add(String first, String second) {
        counts[position(first)][position(second)]++;
    }

    private int position(String label) {
        int position = labels.indexOf(label);
        if (position < 0) {
            throw new IllegalArgumentException("label " + label + " is none of " + labels);
        }
        return position;
    }

    /** The labels, in the order of rows and columns. */
    public List<String> labels() {
        return labels;
    }

    /** Cases that the first rater gave one label and the second another. */
    public long count(String first, String second) {
        return counts[position(first)][position(second)];
    }

    /** All cases. */
    public long n() {
        return Arrays.stream(counts).flatMapToLong(Arrays::stream).sum();
    }

    /** The cases to which both raters gave one of some labels. */
    public ConfusionMatrix among(List<String> some) {
        ConfusionMatrix part = new ConfusionMatrix(some);
        for (int i = 0; i < some.size(); i++) {
            for (int j = 0; j < some.size(); j++) {
                part.counts[i][j] = count(some.get(i), some.get(j));
            }
        }
        return part;
    }

    /** The share of cases with the same label from both, with Wilson's interval. */
    public Interval accuracy() {
        long same = 0;
        for (int i = 0; i < counts.length; i++) {
            same += counts[i][i];
        }
        return Rates.wilson(same, n());
    }

    /** How well the second rater finds a label, the first being right. */
    public Rates.Calibration calibration(String label) {
        int at = position(label);
        long having = Arrays.stream(counts[at]).sum();
        long said = 0;
        for (long[] row : counts) {
            said += row[at];
        }
        return new Rates.Calibration(counts[at][at], having, n() - having - said + counts[at][at], n() - having);
    }

    /**
     * Cohen's kappa: (po - pe) / (1 - pe), agreement beyond that of raters who know only how frequent the labels are (Cohen 1960,
     * Educ. Psychol. Meas. 20:37-46). The interval is by the variance for large samples of Fleiss, Cohen and Everitt 1969 (Psychol. Bull.
     * 72:323-327). Unknown where both raters gave one label alone.
     */
    public Interval kappa() {
        double n = n();
        int k = labels.size();
        double[] first = new double[k];
        double[] second = new double[k];
        double observed = 0;
        for (int i = 0; i < k; i++) {
            for (int j = 0; j < k; j++) {
                first[i] += counts[i][j] / n;
                second[j] += counts[i][j] / n;
            }
            observed += counts[i][i] / n;
        }
        double expected = 0;
        for (int i = 0; i < k; i++) {
            expected += first[i] * second[i];
        }
        if (!(expected < 1)) {
            return Interval.UNKNOWN;
        }
        double same = 0;
        double different = 0;
        for (int i = 0; i < k; i++) {
            for (int j = 0; j < k; j++) {
                double weight = second[i] + first[j];
                double p = counts[i][j] / n;
                if (i == j) {
                    same += p * Math.pow(1 - expected - weight * (1 - observed), 2);
                } else {
                    different += p * weight * weight;
                }
            }
        }
        double rest = observed * expected - 2 * expected + observed;
        double variance = (same + (1 - observed) * (1 - observed) * different - rest * rest) / (n * Math.pow(1 - expected, 4));
        double kappa = (observed - expected) / (1 - expected);
        double half = Interval.Z * Math.sqrt(Math.max(0, variance));
        return new Interval(kappa, kappa - half, kappa + half).within(-1, 1);
    }
}
