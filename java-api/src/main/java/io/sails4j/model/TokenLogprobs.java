package io.sails4j.model;

import io.sails4j.stats.LogSumExp;

/**
 * Log probabilities behind a chosen token: ln softmax of the logits as the model gives them, soft cap in, before temperature, top-k and
 * top-p; in double of F32 logits.
 *
 * @param logprob of the chosen token
 * @param topIds the likeliest tokens, likeliest first, the lower id first on a tie
 * @param topLogprobs theirs
 */
public record TokenLogprobs(int id, double logprob, int[] topIds, double[] topLogprobs) {
    /** @param logits of one token, [vocab_size] */
    static TokenLogprobs of(float[] logits, int id, int top) {
        double total = LogSumExp.of(logits);
        int n = Math.min(top, logits.length);
        int[] ids = new int[n];
        int count = 0;
        for (int i = 0; i < logits.length && n > 0; i++) {
            if (count < n || logits[i] > logits[ids[count - 1]]) {
                int at = count < n ? count++ : count - 1;
                for (; at > 0 && logits[i] > logits[ids[at - 1]]; at--) {
                    ids[at] = ids[at - 1];
                }
                ids[at] = i;
            }
        }
        double[] logprobs = new double[n];
        for (int i = 0; i < n; i++) {
            logprobs[i] = logits[ids[i]] - total;
        }
        return new TokenLogprobs(id, logits[id] - total, ids, logprobs);
    }
}
