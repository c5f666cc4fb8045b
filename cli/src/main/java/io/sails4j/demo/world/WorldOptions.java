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
     * @param everyArm whether DoRA, PiSSA and the softer constraints are among the arms
     */
    public record Plan(boolean everyArm, List<String> objectives, List<Double> learningRates, List<Integer> pairs) {
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
        return new WorldOptions(new Shape(128, 5, 32, 512), new Training(60_000, 900, 2500), 300, 120,
            new Plan(false, List.of("sft"), List.of(2e-3, 8e-3), List.of(300)));
    }

    /** A model of two million parameters, about half an hour on two cores. */
    public static WorldOptions full() {
        return new WorldOptions(new Shape(128, 8, 32, 768), new Training(200_000, 4000, 4000), 2400, 960,
            new Plan(true, List.of("sft", "dpo", "rloo"), List.of(5e-4, 2e-3, 8e-3), List.of(150, 600, 2400)));
    }
}
