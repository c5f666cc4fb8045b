package io.sails4j.persistence;

/**
 * What the held-out pairs gave.
 *
 * @param loss the objective's mean
 * @param rewardMargin mean of the aligned answer's reward minus the unaligned one's (arXiv:2305.18290), NaN for objectives without rewards
 * @param rewardAccuracy share of the pairs whose margin is above 0, NaN likewise
 */
public record Evaluation(double loss, double rewardMargin, double rewardAccuracy) {
    static Evaluation ofLoss(double loss) {
        return new Evaluation(loss, Double.NaN, Double.NaN);
    }
}
