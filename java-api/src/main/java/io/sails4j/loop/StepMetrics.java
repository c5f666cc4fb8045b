package io.sails4j.loop;

import io.sails4j.objective.PolicyMetrics;
import org.jspecify.annotations.Nullable;

/**
 * One optimizer step.
 *
 * @param step from 1
 * @param loss the objective on the step's examples before the step
 * @param penalty what a constraint added to the loss, 0 if nothing
 * @param gradNorm norm of all gradients before clipping
 * @param lr the learning rate of the step
 * @param tokens real tokens of the step
 * @param totalTokens real tokens since the start
 * @param tokensPerSecond of the step
 * @param elapsedMs since the start of the run
 * @param shareInside share of the update so far that lies in the subspace, NaN where there is none
 * @param flops operations that the model needs for the step; what is computed again does not count
 * @param memoryBytes what the device holds
 * @param policy of the answers that were learned from, null where none were sampled
 */
public record StepMetrics(long step, long totalSteps, double loss, double penalty, double gradNorm, double lr, long tokens,
    long totalTokens,
    double tokensPerSecond, double elapsedMs, double shareInside, double flops, long memoryBytes,
    @Nullable PolicyMetrics policy) {
    public double flopsPerSecond() {
        return flops * tokensPerSecond / Math.max(1, tokens);
    }
}
