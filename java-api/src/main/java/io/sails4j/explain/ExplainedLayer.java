package io.sails4j.explain;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;

/**
 * The safety subspace of one layer.
 *
 * @param dSae features of the layer's SAE
 * @param dimension of the subspace
 * @param spectrum the principal components of the kept features' decoder rows, by falling variance
 * @param features the kept ones by falling score
 */
public record ExplainedLayer(int layer, int dSae, int dimension, List<Component> spectrum, List<ExplainedFeature> features) {
    public ExplainedLayer {
        spectrum = List.copyOf(spectrum);
        features = List.copyOf(features);
    }

    /**
     * A principal component.
     *
     * @param component counted from 1
     * @param variance its squared singular value
     * @param share of the sum of all variances
     * @param cumulative share of the components so far
     * @param kept whether the subspace has it
     */
    public record Component(int component, double variance, double share, double cumulative, boolean kept) {
    }

    void writeInto(ObjectNode json) {
        json.put("layer", layer).put("d_sae", dSae).put("dimension", dimension);
        ArrayNode components = json.putArray("spectrum");
        spectrum.forEach(c -> components.addObject().put("component", c.component).put("variance", c.variance).put("share", c.share)
            .put("cumulative", c.cumulative).put("kept", c.kept));
        ArrayNode found = json.putArray("features");
        features.forEach(feature -> feature.writeInto(found.addObject()));
    }
}
