package io.sails4j.persistence;

import io.sails4j.objective.PolicyMetrics;
import java.util.LinkedHashMap;
import java.util.SequencedMap;

/** What is told of sampled answers, under the names that files have for it. */
final class PolicyNumbers {
    private PolicyNumbers() {
    }

    /** Without those that are not known. */
    static SequencedMap<String, Double> of(PolicyMetrics metrics) {
        SequencedMap<String, Double> numbers = new LinkedHashMap<>();
        numbers.put("reward", metrics.reward());
        numbers.put("reward_sd", metrics.rewardSd());
        numbers.put("answers", (double) metrics.answers());
        numbers.put("kl", metrics.kl());
        numbers.put("answer_tokens", metrics.answerTokens());
        numbers.put("refusal_rate", metrics.refusalRate());
        numbers.put("undecided", (double) metrics.undecided());
        numbers.put("clip_fraction", metrics.clipFraction());
        numbers.values().removeIf(value -> Double.isNaN(value));
        return numbers;
    }
}
