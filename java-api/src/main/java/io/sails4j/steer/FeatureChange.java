package io.sails4j.steer;

import io.sails4j.InputException;

/** What becomes of a feature's activation, at every token. */
public sealed interface FeatureChange {
    /** The feature. */
    Feature feature();

    /** The activation that takes the place of another. */
    float changed(float activation);

    /**
     * The activation and a number, whether the feature was active or not: the feature's decoder row times that number is added to the
     * residual stream, as Neuronpedia and SAELens steer.
     *
     * @param by in the units of the feature's activation; negative to steer away
     */
    record Steered(Feature feature, float by) implements FeatureChange {
        public Steered {
            requireFinite(feature, by);
        }

        @Override
        public float changed(float activation) {
            return activation + by;
        }
    }

    /** A number in place of the activation (Templeton et al. 2024, Scaling Monosemanticity, who clamp features). */
    record Clamped(Feature feature, float to) implements FeatureChange {
        public Clamped {
            requireFinite(feature, to);
        }

        @Override
        public float changed(float activation) {
            return to;
        }
    }

    /** Nothing in place of the activation. */
    static FeatureChange ablated(Feature feature) {
        return new Clamped(feature, 0);
    }

    private static void requireFinite(Feature feature, float value) {
        if (!Float.isFinite(value)) {
            throw new InputException("feature " + feature + " is to be changed by " + value + ", expected a number");
        }
    }
}
