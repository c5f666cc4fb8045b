package io.sails4j.objective;

import io.sails4j.train.Batching;
import io.sails4j.train.PolicyOptions;
import java.util.ArrayList;
import java.util.List;

/**
 * Which prompts are answered together, and in how many optimizer steps their answers are learned from; laid out before the first step.
 *
 * @param batches the prompts of each batch, by their places among the prompts
 * @param innerUpdates steps on the answers of each batch
 * @param steps of all batches; the last batch may have fewer than the others
 */
public record PolicyPlan(List<int[]> batches, int innerUpdates, int steps) {
    public PolicyPlan {
        batches = List.copyOf(batches);
    }

    /** Prompts are shuffled per epoch and dealt to batches in that order; the last batch of an epoch may have fewer. */
    public static PolicyPlan of(int prompts, PolicyOptions policy, Batching batching, long seed) {
        List<int[]> batches = new ArrayList<>();
        long most = batching.maxSteps() == 0 ? Long.MAX_VALUE : batching.maxSteps();
        for (int epoch = 0; epoch < batching.epochs() && (long) batches.size() * policy.innerUpdates() < most; epoch++) {
            List<Integer> order = Shuffle.ofEpoch(prompts, seed, epoch);
            for (int from = 0; from < prompts; from += policy.promptsPerStep()) {
                batches.add(order.subList(from, Math.min(prompts, from + policy.promptsPerStep())).stream().mapToInt(i -> i).toArray());
            }
        }
        long steps = Math.min(most, (long) batches.size() * policy.innerUpdates());
        return new PolicyPlan(batches.subList(0, (int) Math.ceilDiv(steps, policy.innerUpdates())), policy.innerUpdates(), (int) steps);
    }

    /** The batch that a step, from 0, learns from. */
    int batchOf(int step) {
        return step / innerUpdates;
    }

    /** Whether answers are needed again after so many steps. */
    boolean isWithinBatch(int steps) {
        return steps % innerUpdates != 0;
    }
}
