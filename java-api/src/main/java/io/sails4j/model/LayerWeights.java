package io.sails4j.model;

import io.sails4j.config.ModelFamily;
import io.sails4j.config.Projection;
import io.sails4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * One block's weights: norms [d_model] F32, projections [out, in] in the compute type. The post-norms are null where the family has none.
 */
record LayerWeights(Norm inputNorm, @Nullable Norm postAttentionNorm, Norm preFeedforwardNorm, @Nullable Norm postFeedforwardNorm,
    Map<Projection, Tensor> projections) {
    private static final String INPUT_NORM = "input_layernorm";
    private static final String POST_ATTENTION_NORM = "post_attention_layernorm";
    private static final String POST_FEEDFORWARD_NORM = "post_feedforward_layernorm";

    /** A norm's weight and its name in the checkpoint. */
    record Norm(String name, Tensor weight) {
    }

    static LayerWeights of(ModelFamily family, int layer, Function<String, Tensor> parameters) {
        Function<String, Norm> norm = n -> new Norm(normName(layer, n), parameters.apply(normName(layer, n)));
        Map<Projection, Tensor> projections = new EnumMap<>(Projection.class);
        for (Projection projection : Projection.values()) {
            projections.put(projection, parameters.apply(projection.modulePath(layer) + ".weight"));
        }
        return new LayerWeights(norm.apply(INPUT_NORM), family.postNorms() ? norm.apply(POST_ATTENTION_NORM) : null,
            norm.apply(family.preFeedforwardNorm()), family.postNorms() ? norm.apply(POST_FEEDFORWARD_NORM) : null, projections);
    }

    /** The checkpoint's names of a block's norms, in the order of the model. */
    static List<String> normNames(ModelFamily family, int layer) {
        List<String> names = new ArrayList<>();
        names.add(normName(layer, INPUT_NORM));
        if (family.postNorms()) {
            names.add(normName(layer, POST_ATTENTION_NORM));
        }
        names.add(normName(layer, family.preFeedforwardNorm()));
        if (family.postNorms()) {
            names.add(normName(layer, POST_FEEDFORWARD_NORM));
        }
        return names;
    }

    private static String normName(int layer, String norm) {
        return "model.layers." + layer + "." + norm + ".weight";
    }
}
