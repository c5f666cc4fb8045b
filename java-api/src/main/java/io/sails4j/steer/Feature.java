package io.sails4j.steer;

import io.sails4j.InputException;
import io.sails4j.sae.Sae;
import java.util.Comparator;
import java.util.Map;

/**
 * A feature of the SAE of the residual stream after a layer.
 *
 * @param layer from 0
 * @param index of the feature in the SAE, from 0
 */
public record Feature(int layer, int index) implements Comparable<Feature> {
    @Override
    public int compareTo(Feature other) {
        return Comparator.comparingInt(Feature::layer).thenComparingInt(Feature::index).compare(this, other);
    }

    /** {@code LAYER:FEATURE}. */
    @Override
    public String toString() {
        return layer + ":" + index;
    }

    /**
     * The SAE of the layer.
     *
     * @throws InputException where there is none, or it has not got the feature
     */
    public Sae in(Map<Integer, Sae> saes) {
        Sae sae = saes.get(layer);
        if (sae == null) {
            throw new InputException("feature " + this + " needs an SAE of layer " + layer + ", and "
                + (saes.isEmpty() ? "none is given" : "SAEs are given of the layers " + saes.keySet().stream().sorted().toList())
                + "; give that layer's SAE, or another feature");
        }
        if (index < 0 || index >= sae.config().dSae()) {
            throw new InputException("feature " + this + " does not exist: " + sae.path() + " has " + sae.config().dSae()
                + " features, expected 0 to " + (sae.config().dSae() - 1));
        }
        return sae;
    }
}
