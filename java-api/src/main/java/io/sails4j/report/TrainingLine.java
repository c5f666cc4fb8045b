package io.sails4j.report;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A line of {@code metrics.jsonl}: a step, or an evaluation between steps. */
record TrainingLine(long step, double loss, @Nullable Double gradNorm, @Nullable Double lr, @Nullable Double shareInside,
    @Nullable String evaluation, @Nullable Double rewardMargin, @Nullable Double rewardAccuracy) {
    TrainingPart.Step trained() {
        return new TrainingPart.Step(step, loss, gradNorm, lr, shareInside);
    }

    TrainingPart.Evaluation evaluated() {
        return new TrainingPart.Evaluation(Objects.requireNonNull(evaluation), step, loss, rewardMargin, rewardAccuracy);
    }
}
