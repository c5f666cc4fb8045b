package io.sails4j.train;

import io.sails4j.InputException;
import io.sails4j.data.TokenPrompt;
import java.util.List;
import java.util.Set;
import java.util.function.Function;

/**
 * What a policy learns from: prompts, and what their answers are worth.
 *
 * @param text of an answer's tokens, without control tokens
 * @param stopIds tokens that end an answer
 */
public record PolicyTask(List<TokenPrompt> prompts, Reward reward, Function<int[], String> text, Set<Integer> stopIds) {
    public PolicyTask {
        prompts = List.copyOf(prompts);
        stopIds = Set.copyOf(stopIds);
        if (prompts.isEmpty()) {
            throw new InputException("there is no prompt to answer, expected one or more");
        }
    }

    /** The same with some of the prompts. */
    public PolicyTask withPrompts(List<TokenPrompt> some) {
        return new PolicyTask(some, reward, text, stopIds);
    }

    /** Tokens of the longest prompt. */
    public int longestPrompt() {
        return prompts.stream().mapToInt(prompt -> prompt.ids().length).max().orElse(0);
    }
}
