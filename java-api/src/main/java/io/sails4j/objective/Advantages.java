package io.sails4j.objective;

import io.sails4j.stats.StudentT;
import java.util.Arrays;

/** By how much answers to one prompt are better than the others to it. */
final class Advantages {
    /** Keeps equal rewards from being blown up (huggingface/trl grpo_trainer.py). */
    private static final double EPS = 1e-4;

    private Advantages() {
    }

    /** r_i minus the mean of the others' rewards (RLOO, arXiv:2402.14740 section 3.2); needs two or more. */
    static double[] leaveOneOut(double[] rewards) {
        double sum = Arrays.stream(rewards).sum();
        return Arrays.stream(rewards).map(r -> r - (sum - r) / (rewards.length - 1)).toArray();
    }

    /** (r_i - mean) / sd (GRPO, arXiv:2402.03300 section 4.1.2), with the standard deviation of n - 1, plus 1e-4. */
    static double[] normalised(double[] rewards) {
        double mean = Arrays.stream(rewards).average().orElse(0);
        double sd = StudentT.deviation(rewards);
        return Arrays.stream(rewards).map(r -> (r - mean) / (sd + EPS)).toArray();
    }
}
