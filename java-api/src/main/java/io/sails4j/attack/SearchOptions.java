package io.sails4j.attack;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;

/** How suffixes are searched for. */
@OptionGroup("Search")
public record SearchOptions(@Described(value = "steps of the search for each suffix", label = "N") int steps,
    @Described(value = "candidates that are evaluated in each step", label = "N") int candidates,
    @Described(value = "tokens among which a place's substitutions are drawn, those with the best gradient", label = "N",
        usedWith = "proposals=gradient") int topTokens,
    @Described("where candidates come from: the gradient, or chance alone as a baseline") Proposals proposals) {

    public SearchOptions {
        requirePositive("steps", steps);
        requirePositive("candidates", candidates);
        requirePositive("top_tokens", topTokens);
    }

    private static void requirePositive(String name, int value) {
        if (value < 1) {
            throw new InputException(name + " is " + value + ", expected 1 or more");
        }
    }

    /** The paper's: 500 steps of 512 candidates from the 256 best tokens of each place. */
    public static SearchOptions defaults() {
        return new SearchOptions(500, 512, 256, Proposals.GRADIENT);
    }
}
