package io.sails4j.saeeval;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.CommonOps_DDRM;

/**
 * Sparse probing (Gurnee et al., arXiv:2305.01610; SAEBench, arXiv:2503.09532, section 3): activations are averaged over the tokens of a
 * text, the k features whose means differ most between the sides of the training texts are chosen, and a logistic regression on them is
 * tested on other texts. Every fifth pair is a test pair: both of its texts, so that no prompt is in both halves.
 */
final class SideProbe {
    private static final int TEST_EVERY = 5;
    private static final int STEPS = 50;
    /** L2 on standardised features: keeps the fit finite where the sides separate. */
    private static final double RIDGE = 1e-2;

    /**
     * A text.
     *
     * @param group texts of one group are on the same half
     * @param positive its side
     * @param means of the activations, [features]
     */
    record Text(int group, boolean positive, float[] means) {
    }

    private final List<Text> training;
    private final List<Text> test;
    private final Integer[] order;

    SideProbe(List<Text> texts) {
        training = texts.stream().filter(text -> text.group() % TEST_EVERY != TEST_EVERY - 1).toList();
        test = texts.stream().filter(text -> text.group() % TEST_EVERY == TEST_EVERY - 1).toList();
        int features = texts.isEmpty() ? 0 : texts.getFirst().means().length;
        double[] difference = new double[features];
        for (boolean side : new boolean[] {true, false}) {
            List<Text> of = training.stream().filter(text -> text.positive() == side).toList();
            for (Text text : of) {
                for (int i = 0; i < features; i++) {
                    difference[i] += (side ? 1.0 : -1.0) * text.means()[i] / of.size();
                }
            }
        }
        order = IntStream.range(0, features).boxed().sorted(Comparator.comparingDouble(i -> -Math.abs(difference[i])))
            .toArray(Integer[]::new);
    }

    /** Whether both halves have both sides. */
    boolean possible() {
        return List.of(training, test).stream()
            .allMatch(half -> half.stream().anyMatch(Text::positive) && half.stream().anyMatch(text -> !text.positive()));
    }

    ProbeMeasure with(int k) {
        List<Integer> chosen = List.of(order).subList(0, Math.min(k, order.length));
        double[][] inputs = inputs(training, chosen);
        double[] mean = new double[chosen.size()];
        double[] deviation = new double[chosen.size()];
        for (int j = 0; j < chosen.size(); j++) {
            int at = j;
            mean[j] = IntStream.range(0, inputs.length).mapToDouble(t -> inputs[t][at]).average().orElse(0);
            double variance = IntStream.range(0, inputs.length).mapToDouble(t -> Math.pow(inputs[t][at] - mean[at], 2)).average().orElse(0);
            deviation[j] = variance == 0 ? 1 : Math.sqrt(variance);
        }
        standardize(inputs, mean, deviation);
        double[] weights = fit(inputs);
        double[][] unseen = inputs(test, chosen);
        standardize(unseen, mean, deviation);
        int right = 0;
        for (int t = 0; t < unseen.length; t++) {
            right += score(weights, unseen[t]) > 0 == test.get(t).positive() ? 1 : 0;
        }
        return new ProbeMeasure(k, chosen, (double) right / unseen.length, training.size(), test.size());
    }

    private static double[][] inputs(List<Text> texts, List<Integer> chosen) {
        List<double[]> rows = new ArrayList<>();
        texts.forEach(text -> rows.add(chosen.stream().mapToDouble(i -> text.means()[i]).toArray()));
        return rows.toArray(double[][]::new);
    }

    private static void standardize(double[][] inputs, double[] mean, double[] deviation) {
        for (double[] row : inputs) {
            for (int j = 0; j < row.length; j++) {
                row[j] = (row[j] - mean[j]) / deviation[j];
            }
        }
    }

    private static double score(double[] weights, double[] row) {
        double sum = weights[row.length];
        for (int j = 0; j < row.length; j++) {
            sum += weights[j] * row[j];
        }
        return sum;
    }

    /** Newton's method; the last weight is the bias. */
    private double[] fit(double[][] inputs) {
        int n = inputs.length == 0 ? 1 : inputs[0].length + 1;
        double[] weights = new double[n];
        for (int step = 0; step < STEPS; step++) {
            DMatrixRMaj curvatures = new DMatrixRMaj(n, n);
            DMatrixRMaj slope = new DMatrixRMaj(n, 1);
            for (int t = 0; t < inputs.length; t++) {
                double p = 1 / (1 + Math.exp(-score(weights, inputs[t])));
                double curvature = Math.max(p * (1 - p), 1e-9);
                for (int i = 0; i < n; i++) {
                    double a = i == n - 1 ? 1 : inputs[t][i];
                    slope.data[i] += (training.get(t).positive() ? 1 - p : -p) * a;
                    for (int j = 0; j < n; j++) {
                        curvatures.data[i * n + j] += curvature * a * (j == n - 1 ? 1 : inputs[t][j]);
                    }
                }
            }
            for (int i = 0; i < n; i++) {
                curvatures.data[i * n + i] += RIDGE * inputs.length + 1e-9;
                slope.data[i] -= RIDGE * inputs.length * weights[i];
            }
            DMatrixRMaj change = new DMatrixRMaj(n, 1);
            if (!CommonOps_DDRM.solve(curvatures, slope, change)) {
                throw new IllegalStateException("a probe of " + (n - 1) + " features has no fit");
            }
            for (int i = 0; i < n; i++) {
                weights[i] += change.data[i];
            }
        }
        return weights;
    }
}
