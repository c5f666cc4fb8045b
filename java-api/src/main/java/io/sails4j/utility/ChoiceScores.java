package io.sails4j.utility;

import java.util.stream.IntStream;

/**
 * What a model thinks of the choices of a question.
 *
 * @param logLikelihoods ln p of each continuation
 * @param lengths of the continuations in characters, without the space before them
 */
public record ChoiceScores(double[] logLikelihoods, int[] lengths) {
    /** The likeliest choice, which acc counts (lm-evaluation-harness lm_eval/api/task.py, process_results); the first of several. */
    public int likeliest() {
        return best(logLikelihoods);
    }

    /** The likeliest a character, which acc_norm counts in the same place. */
    public int likeliestByLength() {
        return best(IntStream.range(0, lengths.length).mapToDouble(i -> logLikelihoods[i] / lengths[i]).toArray());
    }

    private static int best(double[] values) {
        int best = 0;
        for (int i = 1; i < values.length; i++) {
            best = values[i] > values[best] ? i : best;
        }
        return best;
    }
}
