package io.sails4j.align;

import java.nio.file.Path;

/**
 * What an alignment run did.
 *
 * @param trainable number of trained parameters
 * @param lossBefore mean loss on the evaluation pairs before training
 * @param heldOut whether those pairs were kept out of training
 * @param shareInside share of the weight update inside the safety subspace, NaN without one
 */
public record AlignResult(long trainable, long steps, long tokens, double seconds, double lossBefore, double lossAfter, int evalPairs,
                          boolean heldOut, double shareInside, Path out) {
    public double tokensPerSecond() {
        return tokens / seconds;
    }
}
