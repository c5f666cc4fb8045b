package io.sails4j.train;

import io.sails4j.io.InputException;
import io.sails4j.ops.AdamwOptions;

/**
 * How to train.
 *
 * @param epochs passes over the data, at least 1
 * @param maxSteps stop after this many optimizer steps, 0 = by epochs alone
 * @param stepTokens real tokens of an optimizer step
 * @param microTokens positions, padding included, that go through the model at once
 * @param optimizer its lr is the largest of the schedule
 * @param maxGradNorm 0 = no clipping
 * @param warmupRatio share of the steps in [0, 1)
 * @param seed of the order of the examples
 */
public record TrainingOptions(int epochs, long maxSteps, int stepTokens, int microTokens, AdamwOptions optimizer, double maxGradNorm,
                              LrSchedule schedule, double warmupRatio, long seed) {
    public TrainingOptions {
        require(epochs >= 1, "epochs", epochs, "1 or more");
        require(maxSteps >= 0, "max_steps", maxSteps, "0 (no limit) or more");
        require(stepTokens >= 1, "batch_tokens", stepTokens, "1 or more");
        require(microTokens >= 1, "micro_batch_tokens", microTokens, "1 or more");
        require(maxGradNorm >= 0 && Double.isFinite(maxGradNorm), "max_grad_norm", maxGradNorm, "0 (no clipping) or a positive number");
        require(warmupRatio >= 0 && warmupRatio < 1, "warmup_ratio", warmupRatio, "a number in [0, 1)");
    }

    private static void require(boolean condition, String name, Object value, String expected) {
        if (!condition) {
            throw new InputException(name + " is " + value + ", expected " + expected);
        }
    }
}
