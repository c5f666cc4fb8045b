package io.sails4j.attack;

import java.util.List;

/**
 * How a search went.
 *
 * @param arm whose suffix it is
 * @param prompts indices of the prompts that share the suffix
 * @param suffix the best one, as it is written behind the requests
 * @param losses the lowest loss after each step, that before the first one included: the mean of -log p of the target's tokens
 */
public record Curve(String arm, List<Integer> prompts, String suffix, List<Double> losses) {
    public Curve {
        prompts = List.copyOf(prompts);
        losses = List.copyOf(losses);
    }

    /** The loss of the suffix. */
    public double loss() {
        return losses.getLast();
    }
}
