package io.sails4j.attack;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;

/** What is given of an answer. */
@OptionGroup("Beginning of answers")
public record PrefillOptions(
    @Described(value = "how the answer begins, where the prompts' file has no target", label = "TEXT") String target,
    @Described(value = "tokens of the target that are given, the first ones, 0 = all", label = "N") int prefillTokens) {

    public PrefillOptions {
        Targets.requireText(target);
        if (prefillTokens < 0) {
            throw new InputException("prefill_tokens is " + prefillTokens + ", expected 0 (all of the target) or more");
        }
    }

    /** The whole target. */
    public static PrefillOptions defaults() {
        return new PrefillOptions(Targets.DEFAULT, 0);
    }
}
