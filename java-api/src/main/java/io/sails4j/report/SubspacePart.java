package io.sails4j.report;

import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a safety subspace is made of, from {@code explain.json}.
 *
 * @param angles between the subspaces of two layers
 */
public record SubspacePart(PartOrigin origin, List<Layer> layers, List<Angles> angles) implements ReportPart {
    public SubspacePart {
        layers = List.copyOf(layers);
        angles = List.copyOf(angles);
    }

    /**
     * The subspace of a layer.
     *
     * @param dSae features that the SAE has
     * @param dimension r_s
     * @param spectrum of the PCA of decoder rows
     * @param features the strongest first
     */
    public record Layer(int layer, long dSae, int dimension, List<Component> spectrum, List<Feature> features) {
        public Layer {
            spectrum = Required.orEmpty(spectrum);
            features = Required.orEmpty(features);
        }
    }

    /**
     * A principal component.
     *
     * @param share of the variance
     * @param kept whether the subspace has it
     */
    public record Component(int component, double variance, double share, double cumulative, boolean kept) {
    }

    /**
     * A feature of the SAE that tells aligned from unaligned answers.
     *
     * @param score by which it was chosen
     * @param frequencyAligned share of the tokens of aligned answers that it is active on
     * @param deviationAligned standard deviation of its activation
     * @param maximum of its activation
     * @param link to a page about it, null where nobody knows one
     * @param basisShares how much of its direction lies along each of the subspace's axes
     * @param promoted tokens whose logits its direction raises
     * @param suppressed tokens whose logits it lowers
     */
    public record Feature(int feature, @Nullable Double score, @Nullable Double meanAligned, @Nullable Double meanUnaligned,
        @Nullable Double frequencyAligned, @Nullable Double frequencyUnaligned, @Nullable Double deviationAligned,
        @Nullable Double deviationUnaligned, @Nullable Double maximum, @Nullable String link,
        List<Double> basisShares, List<Neighbour> neighbours, List<Token> promoted, List<Token> suppressed, List<Passage> passages) {
        public Feature {
            basisShares = Required.orEmpty(basisShares);
            neighbours = Required.orEmpty(neighbours);
            promoted = Required.orEmpty(promoted);
            suppressed = Required.orEmpty(suppressed);
            passages = Required.orEmpty(passages);
        }
    }

    /** Another feature whose direction is near. */
    public record Neighbour(int feature, double cosine) {
    }

    /** A token and what the feature adds to its logit. */
    public record Token(int id, String token, double logit) {
        public Token {
            Required.present(token, "token");
        }
    }

    /**
     * A text on which the feature is active.
     *
     * @param side {@code aligned} or {@code unaligned}, null where the text is no answer
     * @param row of the data, null where it is not known
     * @param activations one for each token
     */
    public record Passage(@Nullable String side, @Nullable Long row, double peak, List<String> tokens, List<Double> activations) {
        public Passage {
            tokens = Required.orEmpty(tokens);
            activations = Required.orEmpty(activations);
            if (tokens.size() != activations.size()) {
                throw new IllegalArgumentException(tokens.size() + " tokens and " + activations.size()
                    + " activations, expected an activation a token");
            }
        }
    }

    /** Principal angles between two subspaces, rising. */
    public record Angles(String a, String b, List<Double> degrees) {
        public Angles {
            Required.present(a, "a");
            Required.present(b, "b");
            degrees = Required.orEmpty(degrees);
        }
    }
}
