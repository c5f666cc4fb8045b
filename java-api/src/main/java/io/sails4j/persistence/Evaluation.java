package io.sails4j.persistence;

import io.sails4j.objective.PolicyMetrics;
import org.jspecify.annotations.Nullable;

/**
 * What the held-out pairs gave.
 *
 * @param loss the objective's mean; where answers are sampled, the negated mean reward
 * @param rewardMargin mean of the aligned answer's reward minus the unaligned one's (arXiv:2305.18290), NaN for objectives without rewards
 * @param rewardAccuracy share of the pairs whose margin is above 0, NaN likewise
 * @param policy what greedy answers came to, null where none are sampled
 */
public record Evaluation(double loss, double rewardMargin, double rewardAccuracy, @Nullable PolicyMetrics policy) {
    static Evaluation ofLoss(double loss) {
        return new Evaluation(loss, Double.NaN, Double.NaN, null);
    }

    static Evaluation ofAnswers(PolicyMetrics answers) {
        return new Evaluation(-answers.reward(), Double.NaN, Double.NaN, answers);
    }
}
