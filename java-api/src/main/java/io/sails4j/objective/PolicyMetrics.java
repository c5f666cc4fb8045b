package io.sails4j.objective;

import io.sails4j.stats.StudentT;
import java.util.Arrays;
import java.util.List;
import java.util.function.ToDoubleFunction;

/**
 * What the answers of a batch came to.
 *
 * @param answers how many
 * @param reward their mean
 * @param rewardSd its standard deviation (n - 1)
 * @param kl mean over answers of log pi - log pi_ref of the whole answer: the KL to the untrained model, in nats an answer; NaN = unknown
 * @param answerTokens mean number of tokens
 * @param refusalRate mean refusal of the answers whose refusal is known, a partial one counts half; NaN where none is
 * @param undecided answers that the reward could not tell of
 * @param clipFraction share of the tokens whose ratio counted no more in this step; NaN where ratios are not clipped
 */
public record PolicyMetrics(int answers, double reward, double rewardSd, double kl, double answerTokens, double refusalRate, int undecided,
    double clipFraction) {

    static PolicyMetrics of(List<PolicySample> samples) {
        double[] rewards = samples.stream().mapToDouble(s -> s.grade().reward()).toArray();
        return new PolicyMetrics(samples.size(), mean(samples, s -> s.grade().reward()),
            samples.size() < 2 ? Double.NaN : StudentT.deviation(rewards), mean(samples, PolicySample::logRatio),
            mean(samples, PolicySample::answerTokens),
            mean(samples.stream().filter(s -> !Double.isNaN(s.grade().refusal())).toList(), s -> s.grade().refusal()),
            (int) samples.stream().filter(s -> !s.grade().decided()).count(), Double.NaN);
    }

    private static double mean(List<PolicySample> samples, ToDoubleFunction<PolicySample> value) {
        double[] values = samples.stream().mapToDouble(value).toArray();
        return values.length == 0 ? Double.NaN : Arrays.stream(values).sum() / values.length;
    }

    PolicyMetrics withClipFraction(double share) {
        return new PolicyMetrics(answers, reward, rewardSd, kl, answerTokens, refusalRate, undecided, share);
    }
}
