package io.sails4j.explain;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a safety subspace is made of.
 *
 * @param other a second subspace that the first is compared with; null where there is none
 * @param corpus where its features were counted; null where there is none
 * @param angles principal angles between the layers, and between both subspaces on layers that both have
 */
public record SubspaceExplanation(Source model, Source subspace, @Nullable Source other, @Nullable Corpus corpus,
    List<ExplainedLayer> layers, List<Angles> angles) implements Explanation {
    public SubspaceExplanation {
        layers = List.copyOf(layers);
        angles = List.copyOf(angles);
    }

    /**
     * Principal angles between two subspaces.
     *
     * @param a the first in words, {@code layer 2}
     * @param b the second
     * @param degrees rising, as many as the smaller one has dimensions
     */
    public record Angles(String a, String b, List<Double> degrees) {
        public Angles {
            degrees = List.copyOf(degrees);
        }
    }

    @Override
    public ObjectNode json() {
        ObjectNode json = Json.document("subspace", model);
        Json.put(json, "subspace", subspace);
        Json.put(json, "other", other);
        Json.put(json, "data", corpus);
        ArrayNode layersNode = json.putArray("layers");
        layers.forEach(layer -> layer.writeInto(layersNode.addObject()));
        ArrayNode anglesNode = json.putArray("angles");
        for (Angles pair : angles) {
            ObjectNode node = anglesNode.addObject().put("a", pair.a).put("b", pair.b);
            Json.put(node, "degrees", pair.degrees);
        }
        return json;
    }
}
