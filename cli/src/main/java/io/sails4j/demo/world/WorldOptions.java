package io.sails4j.demo.world;

import java.util.List;

/**
 * How large a world is.
 *
 * @param pairs of preference data
 * @param prompts of each set that is asked
 * @param plan of the study that is written beside it
 */
public record WorldOptions(Shape shape, Training training, int pairs, int prompts, Plan plan) {
    /**
     * The base model's training.
     *
     * @param conversations that it is trained on, and drawn in turn until the steps are done
     */
    public record Training(int conversations, int steps, int batchTokens) {
    }

    /**
     * What the study varies.
     *
     * @param full whether comparisons are named beforehand, with an interval that is promised, and suffixes are searched
     * @param pairs that each run draws from all of them
     * @param seeds of the tests
     * @param trialSeeds with which each learning rate is tried
     */
    public record Plan(boolean full, List<String> objectives, List<Double> learningRates, List<Integer> pairs, int seeds,
        int trialSeeds) {
        public Plan {
            objectives = List.copyOf(objectives);
            learningRates = List.copyOf(learningRates);
            pairs = List.copyOf(pairs);
        }
    }

    /** The base model's. */
    public record Shape(long dModel, int nLayers, int headDim, long dFf) {
    }

    /** A model of a million parameters, some minutes on two cores. */
    public static WorldOptions quick() {
        return new WorldOptions(new Shape(128, 5, 32, 512), new Training(60_000, 900, 2500), 1200, 120,
            new Plan(false, List.of("sft"), List.of(1e-3, 4e-3, 1.6e-2), List.of(300), 6, 1));
    }

    /** The same model with more to learn from, and a study of many seeds: about 70 minutes on two cores. */
    public static WorldOptions full() {
        return new WorldOptions(new Shape(128, 5, 32, 512), new Training(150_000, 2200, 3000), 2400, 160,
            new Plan(true, List.of("sft"), List.of(1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2), List.of(600), 60, 3));
    }
}
