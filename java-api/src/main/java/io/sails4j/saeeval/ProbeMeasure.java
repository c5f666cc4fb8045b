package io.sails4j.saeeval;

import java.util.List;

/**
 * A logistic probe on the few features whose means differ most between the two sides.
 *
 * @param k how many features
 * @param features their ids, the largest difference first
 * @param accuracy on texts that the probe has not seen
 * @param trainingTexts that it was fitted to
 * @param testTexts that the accuracy is of
 */
public record ProbeMeasure(int k, List<Integer> features, double accuracy, int trainingTexts, int testTexts) {
    public ProbeMeasure {
        features = List.copyOf(features);
    }
}
