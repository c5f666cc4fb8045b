package io.sails4j.recovery;

import io.sails4j.InputException;

/**
 * One setting of the experiment.
 *
 * @param dimension of the vectors
 * @param features that are planted, more than dimensions where they are in superposition
 * @param samples vectors, half of them of either side
 */
public record RecoveryPoint(int dimension, int features, int samples) {
    public RecoveryPoint {
        if (dimension < 2 || features < 2 || samples < 4) {
            throw new InputException("a point of " + dimension + " dimensions, " + features + " features and " + samples
                + " samples measures nothing, expected at least 2, 2 and 4");
        }
    }

    /** Features for each dimension: above 1, directions must be shared. */
    public double polysemanticity() {
        return (double) features / dimension;
    }
}
