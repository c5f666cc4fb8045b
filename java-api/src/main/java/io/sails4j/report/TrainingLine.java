package io.sails4j.report;

import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** A line of {@code metrics.jsonl}: a step, or an evaluation between steps. */
record TrainingLine(long step, double loss, @Nullable Double gradNorm, @Nullable Double lr, @Nullable Double shareInside,
    @Nullable String evaluation, @Nullable Double rewardMargin, @Nullable Double rewardAccuracy, @Nullable Double reward,
    @Nullable Double kl, @Nullable Double answerTokens, @Nullable Double refusalRate) {
    TrainingPart.Step trained() {
        return new TrainingPart.Step(step, loss, gradNorm, lr, shareInside, answers());
    }

    TrainingPart.Evaluation evaluated() {
        return new TrainingPart.Evaluation(Objects.requireNonNull(evaluation), step, loss, rewardMargin, rewardAccuracy, answers());
    }

    private TrainingPart.@Nullable Answers answers() {
        return reward == null ? null : new TrainingPart.Answers(reward, kl, answerTokens, refusalRate);
    }
}
