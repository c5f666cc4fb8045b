package io.sails4j.sae;

import io.sails4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/**
 * The active features of each token.
 *
 * @param indices [n_tokens, capacity] I32: feature ids, rising; slots past the count mean nothing
 * @param values [n_tokens, capacity] F32: their activations
 * @param counts [n_tokens] I32
 * @param input what was encoded, standardised or not: the backward through layer norm needs it
 * @param mean of each token [n_tokens] F32, with layer norm only
 * @param std of each token [n_tokens] F32, with layer norm only
 */
public record SparseCodes(Tensor indices, Tensor values, Tensor counts, Tensor input, @Nullable Tensor mean, @Nullable Tensor std) {
    /** Rows. */
    public long tokens() {
        return counts.dim(0);
    }

    /** Features that a row has room for. */
    public long capacity() {
        return indices.dim(1);
    }

    /** Mean number of active features. */
    public double l0() {
        int[] n = counts.toIntArray();
        double sum = 0;
        for (int c : n) {
            sum += c;
        }
        return n.length == 0 ? 0 : sum / n.length;
    }
}
