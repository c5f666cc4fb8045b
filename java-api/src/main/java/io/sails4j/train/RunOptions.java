package io.sails4j.train;

import io.sails4j.options.OptionGroup;

/** What a run does beside its steps. */
@OptionGroup("Evaluation")
public record RunOptions(EvaluationOptions evaluation, CheckpointOptions checkpoints) {
    /** With so many evaluation pairs, looked at before and after. */
    public static RunOptions of(int evalPairs) {
        return new RunOptions(EvaluationOptions.of(evalPairs), CheckpointOptions.defaults());
    }

    /** The same with another evaluation. */
    public RunOptions withEvaluation(EvaluationOptions other) {
        return new RunOptions(other, checkpoints);
    }

    /** The same with other checkpoints. */
    public RunOptions withCheckpoints(CheckpointOptions other) {
        return new RunOptions(evaluation, other);
    }
}
