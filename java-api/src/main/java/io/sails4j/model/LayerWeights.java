package io.sails4j.model;

import io.sails4j.tensor.Tensor;
import java.util.Map;

/** One block's weights: norms [d_model] F32, projections [out, in] in the compute type. */
record LayerWeights(Tensor inputNorm, Tensor postAttentionNorm, Tensor preFeedforwardNorm, Tensor postFeedforwardNorm,
                    Map<Projection, Tensor> projections) {
    static final String INPUT_NORM = "input_layernorm";
    static final String POST_ATTENTION_NORM = "post_attention_layernorm";
    static final String PRE_FEEDFORWARD_NORM = "pre_feedforward_layernorm";
    static final String POST_FEEDFORWARD_NORM = "post_feedforward_layernorm";

    static String normName(int layer, String norm) {
        return "model.layers." + layer + "." + norm + ".weight";
    }
}
