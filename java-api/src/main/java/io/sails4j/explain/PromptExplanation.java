package io.sails4j.explain;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Which features fire on a prompt.
 *
 * @param adapter whose model is shown beside the base model; null where there is none
 * @param subspace whose features have scores; null where there is none
 * @param comparedFrom the first token that features are ranked by: 1 where the text begins with the token that begins all texts
 * @param tokens texts; of tokens that only together are a character the first has it and the others are empty
 */
public record PromptExplanation(Source model, @Nullable Source adapter, @Nullable Source subspace, int comparedFrom, List<String> tokens,
    List<Layer> layers)
    implements Explanation {
    public PromptExplanation {
        tokens = List.copyOf(tokens);
        layers = List.copyOf(layers);
    }

    /**
     * What fires after one layer.
     *
     * @param features by falling peak over the tokens that are compared by
     */
    public record Layer(int layer, List<Feature> features) {
        public Layer {
            features = List.copyOf(features);
        }
    }

    /**
     * A feature's activations on each token.
     *
     * @param score in the subspace file; NaN where the subspace has not got the feature
     * @param base of the model alone
     * @param adapted with the adapter; null where there is none
     */
    public record Feature(int feature, double score, List<Float> base, @Nullable List<Float> adapted) {
        public Feature {
            base = List.copyOf(base);
            adapted = adapted == null ? null : List.copyOf(adapted);
        }
    }

    @Override
    public ObjectNode json() {
        ObjectNode json = Json.document("prompt", model);
        Json.put(json, "adapter", adapter);
        Json.put(json, "subspace", subspace);
        json.put("compared_from", comparedFrom);
        tokens.forEach(json.putArray("tokens")::add);
        ArrayNode layersNode = json.putArray("layers");
        for (Layer layer : layers) {
            ArrayNode features = layersNode.addObject().put("layer", layer.layer).putArray("features");
            for (Feature feature : layer.features) {
                ObjectNode node = features.addObject().put("feature", feature.feature);
                Json.put(node, "score", feature.score);
                Json.put(node, "base", feature.base);
                Json.put(node, "adapted", feature.adapted);
            }
        }
        return json;
    }
}
