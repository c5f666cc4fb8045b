package io.sails4j.train;

import io.sails4j.io.InputException;
import io.sails4j.ops.AdamwOptions;
import io.sails4j.ops.Graphs;

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
 * @param packing put several sequences into one row; attention stays within each
 * @param recompute layers whose forward is run again in the backward to save memory
 * @param graphs whether passes and the optimizer are recorded and launched again
 */
public record TrainingOptions(int epochs, long maxSteps, int stepTokens, int microTokens, AdamwOptions optimizer, double maxGradNorm,
                              LrSchedule schedule, double warmupRatio, long seed, boolean packing, Recompute recompute, OptimizerOptions more,
                              EvaluationOptions evaluation, CheckpointOptions checkpoints, Graphs graphs) {
    /** Without packing, evaluations on the way, and anything beyond plain AdamW. */
    public TrainingOptions(int epochs, long maxSteps, int stepTokens, int microTokens, AdamwOptions optimizer, double maxGradNorm,
                           LrSchedule schedule, double warmupRatio, long seed) {
        this(epochs, maxSteps, stepTokens, microTokens, optimizer, maxGradNorm, schedule, warmupRatio, seed, false, Recompute.off(), OptimizerOptions.plain(),
            EvaluationOptions.none(), CheckpointOptions.defaults(), Graphs.AUTO);
    }

    public TrainingOptions {
        require(epochs >= 1, "epochs", epochs, "1 or more");
        require(maxSteps >= 0, "max_steps", maxSteps, "0 (no limit) or more");
        require(stepTokens >= 1, "batch_tokens", stepTokens, "1 or more");
        require(microTokens >= 1, "micro_batch_tokens", microTokens, "1 or more");
        require(maxGradNorm >= 0 && Double.isFinite(maxGradNorm), "max_grad_norm", maxGradNorm, "0 (no clipping) or a positive number");
        require(warmupRatio >= 0 && warmupRatio < 1, "warmup_ratio", warmupRatio, "a number in [0, 1)");
    }

    public TrainingOptions withPacking(boolean packed) {
        return new TrainingOptions(epochs, maxSteps, stepTokens, microTokens, optimizer, maxGradNorm, schedule, warmupRatio, seed, packed, recompute, more,
            evaluation, checkpoints, graphs);
    }

    public TrainingOptions withRecompute(Recompute other) {
        return new TrainingOptions(epochs, maxSteps, stepTokens, microTokens, optimizer, maxGradNorm, schedule, warmupRatio, seed, packing, other, more,
            evaluation, checkpoints, graphs);
    }

    public TrainingOptions withOptimizer(OptimizerOptions other) {
        return new TrainingOptions(epochs, maxSteps, stepTokens, microTokens, optimizer, maxGradNorm, schedule, warmupRatio, seed, packing, recompute, other,
            evaluation, checkpoints, graphs);
    }

    public TrainingOptions withEvaluation(EvaluationOptions other) {
        return new TrainingOptions(epochs, maxSteps, stepTokens, microTokens, optimizer, maxGradNorm, schedule, warmupRatio, seed, packing, recompute, more,
            other, checkpoints, graphs);
    }

    public TrainingOptions withCheckpoints(CheckpointOptions other) {
        return new TrainingOptions(epochs, maxSteps, stepTokens, microTokens, optimizer, maxGradNorm, schedule, warmupRatio, seed, packing, recompute, more,
            evaluation, other, graphs);
    }

    public TrainingOptions withGraphs(Graphs other) {
        return new TrainingOptions(epochs, maxSteps, stepTokens, microTokens, optimizer, maxGradNorm, schedule, warmupRatio, seed, packing, recompute, more,
            evaluation, checkpoints, other);
    }

    private static void require(boolean condition, String name, Object value, String expected) {
        if (!condition) {
            throw new InputException(name + " is " + value + ", expected " + expected);
        }
    }
}
