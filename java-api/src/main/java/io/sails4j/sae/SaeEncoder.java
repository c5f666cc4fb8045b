package io.sails4j.sae;

import io.sails4j.ops.Ops;
import io.sails4j.ops.SaeActivation;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What turns an encoder's input into activations, of all features or of some.
 *
 * @param k active features of top-k, else 0
 * @param weights W_enc [d_in, features] F32
 * @param bias [features] F32, and so are the others
 */
record SaeEncoder(SaeActivation activation, int k, Tensor weights, Tensor bias, @Nullable Tensor threshold, @Nullable Tensor scale,
    @Nullable Tensor gateBias) {
    /** Writes indices and values [n_tokens, capacity] and the true counts [n_tokens] of input [n_tokens, d_in] F32. */
    void into(Ops ops, Tensor indices, Tensor values, Tensor counts, Tensor input) {
        ops.sae().saeEncode(indices, values, counts, input, weights, bias, threshold, scale, gateBias, activation, k);
    }

    /**
     * The encoder of some features alone. A top-k encoder has none: which features are active depends on all of them.
     *
     * @param columns of W_enc, [features][d_in]
     * @param memory where its tensors live
     */
    SaeEncoder of(int[] features, float[][] columns, TensorArena memory) {
        int dIn = Math.toIntExact(weights.dim(0));
        float[] some = new float[dIn * features.length];
        for (int i = 0; i < dIn; i++) {
            for (int f = 0; f < features.length; f++) {
                some[i * features.length + f] = columns[f][i];
            }
        }
        return new SaeEncoder(activation, k, memory.of(some, dIn, features.length), Objects.requireNonNull(some(bias, features, memory)),
            some(threshold, features, memory), some(scale, features, memory), some(gateBias, features, memory));
    }

    private static @Nullable Tensor some(@Nullable Tensor all, int[] features, TensorArena memory) {
        if (all == null) {
            return null;
        }
        float[] values = all.toFloatArray();
        float[] some = new float[features.length];
        for (int i = 0; i < some.length; i++) {
            some[i] = values[features[i]];
        }
        return memory.of(some, some.length);
    }
}
