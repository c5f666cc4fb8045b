package io.sails4j.model;

import io.sails4j.InputException;
import io.sails4j.ops.Graphs;
import java.util.Set;

/**
 * How tokens are chosen and when to stop.
 *
 * @param temperature 0 = greedy
 * @param topK keep the k largest logits, 0 = all
 * @param topP keep the smallest set of tokens with this probability, 1 = all
 * @param stopIds generation of a sequence ends with one of these, which is part of the result
 * @param graphs whether steps are recorded and launched whole
 */
public record GenerationOptions(int maxNewTokens, double temperature, int topK, double topP, long seed, Set<Integer> stopIds,
    Graphs graphs) {
    /** Options that record a decoding step where the backend can. */
    public GenerationOptions(int maxNewTokens, double temperature, int topK, double topP, long seed, Set<Integer> stopIds) {
        this(maxNewTokens, temperature, topK, topP, seed, stopIds, Graphs.AUTO);
    }

    public GenerationOptions {
        stopIds = Set.copyOf(stopIds);
        if (maxNewTokens < 1) {
            throw new InputException("the number of new tokens is " + maxNewTokens + ", expected 1 or more");
        }
        if (!(temperature >= 0) || Double.isInfinite(temperature)) {
            throw new InputException("the temperature is " + temperature + ", expected 0 (greedy) or a positive number");
        }
        // Devices take it as a float: what is no float but 0 or infinity there would be another temperature.
        if (temperature > Float.MAX_VALUE || temperature > 0 && temperature < Float.MIN_NORMAL) {
            throw new InputException("the temperature is " + temperature + ", expected 0 (greedy) or a number from 1.2e-38 to 3.4e38");
        }
        if (topK < 0) {
            throw new InputException("top-k is " + topK + ", expected 0 (all) or more");
        }
        if (!((float) topP > 0 && topP <= 1)) {
            throw new InputException("top-p is " + topP + ", expected a number above 0 and at most 1");
        }
    }

    /** The likeliest token each time. */
    public static GenerationOptions greedy(int maxNewTokens, Set<Integer> stopIds) {
        return new GenerationOptions(maxNewTokens, 0, 0, 1, 0, stopIds);
    }

    /** The same with another use of recordings. */
    public GenerationOptions withGraphs(Graphs use) {
        return new GenerationOptions(maxNewTokens, temperature, topK, topP, seed, stopIds, use);
    }
}
