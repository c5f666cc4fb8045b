package io.sails4j.saeeval;

import java.util.List;

/**
 * How much of one label other features have taken from the features that stand for it.
 *
 * @param label its number
 * @param mainFeatures those that stand for it
 * @param probeF1 of the probe on the vectors themselves, on vectors that it has not seen
 * @param mainF1 of the probe on the main features, on the same
 * @param examples unseen vectors of the label that the probe on the vectors finds
 * @param meanFraction mean over them of the absorption fraction
 * @param fullRate share of them in which one other feature stands for the main ones, which are silent
 */
public record AbsorptionMeasure(int label, List<Integer> mainFeatures, double probeF1, double mainF1, int examples, double meanFraction,
    double fullRate) {
    public AbsorptionMeasure {
        mainFeatures = List.copyOf(mainFeatures);
    }
}
