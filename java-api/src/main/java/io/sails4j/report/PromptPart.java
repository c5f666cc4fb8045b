package io.sails4j.report;

import java.util.List;
import org.jspecify.annotations.Nullable;

/** Which features are active on one text, token by token, from {@code explain.json}. */
public record PromptPart(PartOrigin origin, List<String> tokens, List<Layer> layers) implements ReportPart {
    public PromptPart {
        tokens = List.copyOf(tokens);
        layers = List.copyOf(layers);
        for (Layer layer : layers) {
            for (Feature feature : layer.features) {
                requireOneEach(tokens, feature, feature.base);
                if (feature.adapted != null) {
                    requireOneEach(tokens, feature, feature.adapted);
                }
            }
        }
    }

    private static void requireOneEach(List<String> tokens, Feature feature, List<Double> activations) {
        if (activations.size() != tokens.size()) {
            throw new IllegalArgumentException("feature " + feature.feature + " has " + activations.size() + " activations for "
                + tokens.size() + " tokens, expected an activation a token");
        }
    }

    /** The features of a layer, the strongest first. */
    public record Layer(int layer, List<Feature> features) {
        public Layer {
            features = Required.orEmpty(features);
        }
    }

    /**
     * A feature's activations.
     *
     * @param base of the model alone, one for each token
     * @param adapted of the model with the adapter, null without one
     */
    public record Feature(int feature, @Nullable Double score, List<Double> base, @Nullable List<Double> adapted) {
        public Feature {
            base = Required.orEmpty(base);
            adapted = adapted == null ? null : List.copyOf(adapted);
        }
    }
}
