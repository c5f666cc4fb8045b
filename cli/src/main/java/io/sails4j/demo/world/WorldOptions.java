package io.sails4j.demo.world;

/**
 * How large a world is.
 *
 * @param conversations that the base model is trained on, and drawn in turn until the steps are done
 * @param steps of pretraining, of {@code batchTokens} tokens each
 * @param pairs of preference data
 * @param prompts of each set that is asked
 */
public record WorldOptions(Shape shape, int conversations, int steps, int batchTokens, int pairs, int prompts) {
    /** The base model's. */
    public record Shape(long dModel, int nLayers, int headDim, long dFf) {
    }

    /** A model of a million parameters, some minutes on two cores. */
    public static WorldOptions quick() {
        return new WorldOptions(new Shape(128, 5, 32, 512), 60_000, 1500, 2500, 1200, 240);
    }

    /** A model of two million parameters, about half an hour on two cores. */
    public static WorldOptions full() {
        return new WorldOptions(new Shape(128, 8, 32, 768), 200_000, 5000, 4000, 3000, 960);
    }
}
