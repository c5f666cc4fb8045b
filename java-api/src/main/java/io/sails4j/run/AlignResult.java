package io.sails4j.run;

import io.sails4j.ops.MatmulPeak;
import io.sails4j.train.Objective;
import java.nio.file.Path;

/**
 * What an alignment run did.
 *
 * @param trainable number of trained parameters
 * @param objective what was minimised
 * @param lossBefore mean loss on the evaluation pairs before training; where answers are sampled, the negated mean reward of greedy answers
 *     to the evaluation prompts
 * @param evalPairs evaluation pairs, or prompts
 * @param heldOut whether those were kept out of training
 * @param shareInside share of the weight update inside the safety subspace, NaN without one
 * @param flopsPerSecond operations that the model needs, over the time of the steps
 * @param peak what the device can do
 */
public record AlignResult(Objective objective, long trainable, long steps, long tokens, double seconds, double lossBefore, double lossAfter,
    int evalPairs,
    boolean heldOut, double shareInside, double flopsPerSecond, MatmulPeak peak, Path out) {
    /** Trained tokens in a second, evaluations and loading included. */
    public double tokensPerSecond() {
        return tokens / seconds;
    }

    /** Model-FLOP utilisation (arXiv:2204.02311, section 4.1): the share of the peak. */
    public double utilisation() {
        return flopsPerSecond / peak.flopsPerSecond();
    }
}
