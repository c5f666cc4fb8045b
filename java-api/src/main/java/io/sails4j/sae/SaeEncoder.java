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

    /** {@link #into} the same tensors from the same input, again and again. */
    Runnable prepared(Ops ops, Tensor indices, Tensor values, Tensor counts, Tensor input) {
        return ops.sae().preparedSaeEncode(indices, values, counts, input, weights, bias, threshold, scale, gateBias, activation, k);
    }

    /**
     * The encoder of some features alone. A top-k encoder has none: which features are active depends on all of them.
     *
     * @param columns of W_enc, [features][d_in]
     * @param shift what is subtracted from the input: (x - shift) W = x W - shift W, which is folded into the biases; null for nothing
     * @param memory where its tensors live
     */
    SaeEncoder of(int[] features, float[][] columns, float @Nullable [] shift, TensorArena memory) {
        int dIn = Math.toIntExact(weights.dim(0));
        float[] some = new float[dIn * features.length];
        for (int i = 0; i < dIn; i++) {
            for (int f = 0; f < features.length; f++) {
                some[i * features.length + f] = columns[f][i];
            }
        }
        double[] shifts = new double[features.length];
        for (int f = 0; shift != null && f < features.length; f++) {
            for (int i = 0; i < dIn; i++) {
                shifts[f] += (double) shift[i] * columns[f][i];
            }
        }
        float[] scales = some(scale, features);
        return new SaeEncoder(activation, k, memory.of(some, dIn, features.length),
            Objects.requireNonNull(shifted(some(bias, features), shifts, scales, memory)),
            placed(some(threshold, features), memory), placed(scales, memory), shifted(some(gateBias, features), shifts, null, memory));
    }

    private static float @Nullable [] some(@Nullable Tensor all, int[] features) {
        if (all == null) {
            return null;
        }
        float[] values = all.toFloatArray();
        float[] some = new float[features.length];
        for (int i = 0; i < some.length; i++) {
            some[i] = values[features[i]];
        }
        return some;
    }

    private static @Nullable Tensor placed(float @Nullable [] values, TensorArena memory) {
        return values == null ? null : memory.of(values, values.length);
    }

    private static @Nullable Tensor shifted(float @Nullable [] bias, double[] shifts, float @Nullable [] scales, TensorArena memory) {
        for (int i = 0; bias != null && i < bias.length; i++) {
            bias[i] = (float) (bias[i] - shifts[i] * (scales == null ? 1 : scales[i]));
        }
        return placed(bias, memory);
    }
}
