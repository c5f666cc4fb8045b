package io.sails4j.subspace;

import io.sails4j.io.InputException;

/**
 * @param topK features kept in each layer
 * @param variance share of the variance of their directions that the subspace explains (the paper's tau = 0.8)
 * @param centre subtract the mean direction before the PCA
 * @param unitRows scale the directions to length 1 first
 * @param batchTokens padded tokens in a batch of the pass over the data
 */
public record SubspaceOptions(int topK, double variance, boolean centre, boolean unitRows, Pooling pool, int batchTokens) {
    public SubspaceOptions {
        if (topK < 1) {
            throw new InputException("top-k is " + topK + ", expected 1 or more features");
        }
        if (!(variance > 0 && variance <= 1)) {
            throw new InputException("the variance to explain is " + variance + ", expected a share above 0 and at most 1");
        }
        if (batchTokens < 1) {
            throw new InputException("a batch has " + batchTokens + " tokens, expected 1 or more");
        }
    }

    public static SubspaceOptions defaults() {
        return new SubspaceOptions(64, 0.8, true, false, Pooling.TOKEN, 4096);
    }
}
