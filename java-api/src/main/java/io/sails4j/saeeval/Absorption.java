package io.sails4j.saeeval;

import java.util.List;

/**
 * Absorption of labels.
 *
 * @param labels one measure each
 * @param leftOut labels with too few vectors to be probed, or whose probe finds none of the unseen ones
 */
public record Absorption(List<AbsorptionMeasure> labels, List<Integer> leftOut) {
    public Absorption {
        labels = List.copyOf(labels);
        leftOut = List.copyOf(leftOut);
    }

    /** Mean over the labels of the mean absorption fraction. */
    public double meanFraction() {
        return labels.stream().mapToDouble(AbsorptionMeasure::meanFraction).average().orElse(Double.NaN);
    }

    /** Mean over the labels of the rate of full absorption. */
    public double fullRate() {
        return labels.stream().mapToDouble(AbsorptionMeasure::fullRate).average().orElse(Double.NaN);
    }
}
