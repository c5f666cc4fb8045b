package io.sails4j.monitor;

import io.sails4j.InputException;
import io.sails4j.steer.Feature;
import java.util.Comparator;
import java.util.List;

/**
 * A number of each token: a weighted sum of the activations of features of the SAE of the residual stream after a layer.
 *
 * @param layer from 0
 * @param terms by rising feature, each feature once
 */
public record Signal(int layer, List<Term> terms) {
    public Signal {
        terms = terms.stream().sorted(Comparator.comparingInt(Term::feature)).toList();
        InputException.requireOption(layer >= 0, "layer", layer, "0 or more");
        if (terms.isEmpty()) {
            throw new InputException("a signal of layer " + layer + " has no features, expected one at least");
        }
        for (int i = 1; i < terms.size(); i++) {
            if (terms.get(i).feature() == terms.get(i - 1).feature()) {
                throw new InputException("a signal of layer " + layer + " has the feature " + terms.get(i).feature() + " twice");
            }
        }
    }

    /**
     * A feature and its share.
     *
     * @param feature in the SAE, from 0
     * @param weight of its activation
     */
    public record Term(int feature, double weight) {
        public Term {
            InputException.requireOption(feature >= 0, "feature", feature, "0 or more");
            if (!Double.isFinite(weight) || weight == 0) {
                throw new InputException("the weight of feature " + feature + " is " + weight + ", expected a number that is not 0");
            }
        }
    }

    /** One feature's activation. */
    public static Signal of(Feature feature) {
        return new Signal(feature.layer(), List.of(new Term(feature.index(), 1)));
    }
}
