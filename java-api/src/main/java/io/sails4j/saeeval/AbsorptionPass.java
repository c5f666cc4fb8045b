package io.sails4j.saeeval;

import io.sails4j.InputException;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;

/**
 * Feature absorption (Chanin et al., arXiv:2409.14507) with the two numbers of SAEBench (arXiv:2503.09532; its repository,
 * evals/absorption), for labels of any vectors in the place of first letters.
 *
 * <p>A logistic probe on the vectors gives the direction p of a label, |p| = 1. The features whose means differ most between the label and
 * the rest are probed as well, 1, 2, … of them: as long as one more raises F1 by more than 0.03, it is one of the label's main features. Of
 * an unseen vector x of the label that the probe finds, with activations f and contributions c_i = f_i W_dec[i] p:
 * <pre>
 *   absorbers = the 3 largest c_i > 0 of other features with cos(W_dec[i], p) >= 0.1;  a = their sum,  m = sum of c over the main features
 *   fraction  = 0 where x p <= 0, m >= x p or a &lt; 0.4 x p;  1 where m &lt;= 0;  else b / (b + m), b = min(a, x p - m)
 *   full      = no main feature is active, and the largest c_i has cos >= 0.025 and c_i >= 0.4 x p > 0
 * </pre>
 * SAEBench chooses main features by a probe with an L1 term, and takes f_i cos(W_dec[i], p) for c_i, which is the same where rows have
 * length 1. Every fifth vector is unseen.
 */
final class AbsorptionPass {
    private static final int UNSEEN_EVERY = 5;
    private static final int MOST_MAIN = 10;
    private static final double SPLIT_F1 = 0.03;
    private static final double COSINE_OF_ABSORBER = 0.1;
    private static final double COSINE_OF_FULL = 0.025;
    private static final double SHARE_OF_PROJECTION = 0.4;
    private static final int MOST_ABSORBERS = 3;
    /** Of a label and of the rest, to fit a probe. */
    private static final int FEWEST = 10;

    private final float[] x;
    /** The vectors as probes read them. */
    private final float[] scaled;
    private final int d;
    private final int[] labels;
    private final float[] decoder;
    private final List<Codes> codes = new ArrayList<>();
    private final int[] training;
    private final int[] unseen;

    /** Codes of one vector. */
    private static final class Codes {
        private int[] ids = new int[8];
        private float[] acts = new float[8];
        private int count;

        private void add(int id, float act) {
            if (count == ids.length) {
                ids = Arrays.copyOf(ids, 2 * count);
                acts = Arrays.copyOf(acts, 2 * count);
            }
            ids[count] = id;
            acts[count++] = act;
        }

        private float of(int id) {
            for (int j = 0; j < count; j++) {
                if (ids[j] == id) {
                    return acts[j];
                }
            }
            return 0;
        }
    }

    /**
     * @param x [n * d]
     * @param labels of each vector, negative = none
     * @param decoder [width * d]
     */
    AbsorptionPass(float[] x, int d, int[] labels, float[] decoder) {
        this.x = x;
        this.scaled = scaled(x, d);
        this.d = d;
        this.labels = labels;
        this.decoder = decoder;
        IntStream.range(0, labels.length).forEach(_ -> codes.add(new Codes()));
        training = IntStream.range(0, labels.length).filter(t -> t % UNSEEN_EVERY != UNSEEN_EVERY - 1).toArray();
        unseen = IntStream.range(0, labels.length).filter(t -> t % UNSEEN_EVERY == UNSEEN_EVERY - 1).toArray();
    }

    /** Takes a code. */
    void see(int vector, int feature, float activation) {
        codes.get(vector).add(feature, activation);
    }

    Absorption run() {
        List<AbsorptionMeasure> measures = new ArrayList<>();
        List<Integer> leftOut = new ArrayList<>();
        for (int label : Arrays.stream(labels).filter(label -> label >= 0).distinct().sorted().toArray()) {
            long seen = Arrays.stream(training).filter(t -> labels[t] == label).count();
            boolean possible = seen >= FEWEST && training.length - seen >= FEWEST
                && Arrays.stream(unseen).anyMatch(t -> labels[t] == label);
            AbsorptionMeasure measure = possible ? of(label) : null;
            if (measure == null || measure.examples() == 0) {
                leftOut.add(label);
            } else {
                measures.add(measure);
            }
        }
        if (measures.isEmpty()) {
            throw new InputException("no label can be probed among " + labels.length + " vectors with labels " + leftOut + "; expected "
                + FEWEST + " or more training vectors of a label and of the rest, which a linear probe tells apart");
        }
        return new Absorption(measures, leftOut);
    }

    private AbsorptionMeasure of(int label) {
        double[] weights = fit(rows(scaled, d, training), d, label);
        double length = Math.sqrt(Arrays.stream(weights, 0, d).map(w -> w * w).sum());
        double[] direction = Arrays.stream(weights, 0, d).map(w -> length == 0 ? 0 : w / length).toArray();
        double probeF1 = f1(weights, rows(scaled, d, unseen), label);
        Split split = split(label);
        double fractions = 0;
        int full = 0;
        int examples = 0;
        for (int t : unseen) {
            if (labels[t] == label && LogisticFit.score(weights, scaled, t) > 0) {
                Contributions of = new Contributions(t, direction, split.features);
                fractions += of.fraction();
                full += of.full() ? 1 : 0;
                examples++;
            }
        }
        return new AbsorptionMeasure(label, split.features, probeF1, split.f1, examples, fractions / Math.max(1, examples),
            (double) full / Math.max(1, examples));
    }

    /** By one factor for all columns, so that a probe's direction is that of the vectors themselves. */
    private static float[] scaled(float[] x, int d) {
        Standardized of = Standardized.of(x, d);
        double[] same = new double[d];
        Arrays.fill(same, Math.sqrt(Arrays.stream(of.deviation()).map(v -> v * v).average().orElse(1)));
        return new Standardized(of.mean(), same).apply(x);
    }

    private static float[] rows(float[] x, int width, int[] of) {
        float[] rows = new float[of.length * width];
        for (int i = 0; i < of.length; i++) {
            System.arraycopy(x, of[i] * width, rows, i * width, width);
        }
        return rows;
    }

    private double[] fit(float[] rows, int width, int label) {
        boolean[] positive = new boolean[training.length];
        for (int i = 0; i < positive.length; i++) {
            positive[i] = labels[training[i]] == label;
        }
        return new LogisticFit(rows, width, positive).weights();
    }

    /** 2 true positives / (2 true positives + false ones), on unseen vectors. */
    private double f1(double[] weights, float[] rows, int label) {
        int both = 0;
        int either = 0;
        for (int i = 0; i < unseen.length; i++) {
            boolean found = LogisticFit.score(weights, rows, i) > 0;
            boolean is = labels[unseen[i]] == label;
            both += found && is ? 2 : 0;
            either += (found ? 1 : 0) + (is ? 1 : 0);
        }
        return either == 0 ? 0 : (double) both / either;
    }

    private record Split(List<Integer> features, double f1) {
    }

    private Split split(int label) {
        List<Integer> order = order(label);
        Split best = new Split(List.of(), 0);
        for (int k = 1; k <= order.size(); k++) {
            Split next = probe(order.subList(0, k), label);
            if (k > 1 && next.f1 - best.f1 <= SPLIT_F1) {
                break;
            }
            best = next;
        }
        return best;
    }

    /** The features with the largest differences of means, the label's above the others'. */
    private List<Integer> order(int label) {
        double[] difference = new double[decoder.length / d];
        long of = Arrays.stream(training).filter(t -> labels[t] == label).count();
        for (int t : training) {
            double factor = labels[t] == label ? 1.0 / of : -1.0 / (training.length - of);
            Codes at = codes.get(t);
            for (int j = 0; j < at.count; j++) {
                difference[at.ids[j]] += factor * at.acts[j];
            }
        }
        return IntStream.range(0, difference.length).boxed().filter(i -> difference[i] > 0)
            .sorted(Comparator.comparingDouble(i -> -difference[i])).limit(MOST_MAIN).toList();
    }

    private Split probe(List<Integer> features, int label) {
        int k = features.size();
        float[] all = new float[labels.length * k];
        for (int at = 0; at < all.length; at++) {
            all[at] = codes.get(at / k).of(features.get(at % k));
        }
        float[] inputs = rows(all, k, training);
        Standardized of = Standardized.of(inputs, k);
        double[] weights = fit(of.apply(inputs), k, label);
        return new Split(List.copyOf(features), f1(weights, of.apply(rows(all, k, unseen)), label));
    }

    /** What the features of one vector put into a direction. */
    private final class Contributions {
        private final double projection;
        private double main;
        private boolean mainActive;
        private double largest = Double.NEGATIVE_INFINITY;
        private double cosineOfLargest;
        private final List<Double> absorbers = new ArrayList<>();

        Contributions(int vector, double[] direction, List<Integer> mainFeatures) {
            double sum = 0;
            for (int j = 0; j < d; j++) {
                sum += x[vector * d + j] * direction[j];
            }
            projection = sum;
            Codes of = codes.get(vector);
            for (int j = 0; j < of.count; j++) {
                add(of.ids[j], of.acts[j], direction, mainFeatures.contains(of.ids[j]));
            }
        }

        private void add(int feature, float act, double[] direction, boolean isMain) {
            double dot = 0;
            double squares = 0;
            for (int j = 0; j < d; j++) {
                double w = decoder[feature * d + j];
                dot += w * direction[j];
                squares += w * w;
            }
            double cosine = squares == 0 ? 0 : dot / Math.sqrt(squares);
            double contribution = act * dot;
            if (contribution > largest) {
                largest = contribution;
                cosineOfLargest = cosine;
            }
            if (isMain) {
                main += contribution;
                mainActive |= act > 0;
            } else if (cosine >= COSINE_OF_ABSORBER && contribution > 0) {
                absorbers.add(contribution);
            }
        }

        double fraction() {
            double absorbed = absorbers.stream().sorted(Comparator.reverseOrder()).limit(MOST_ABSORBERS).mapToDouble(c -> c).sum();
            if (projection <= 0 || main >= projection || absorbed < SHARE_OF_PROJECTION * projection) {
                return 0;
            }
            if (main <= 0) {
                return 1;
            }
            double instead = Math.min(absorbed, projection - main);
            return instead / (instead + main);
        }

        boolean full() {
            return !mainActive && projection > 0 && cosineOfLargest >= COSINE_OF_FULL && largest >= SHARE_OF_PROJECTION * projection;
        }
    }
}
