package io.sails4j.attack;

import io.sails4j.eval.PromptFile;

/** What is done to a model's prompts, answers or inside. */
public sealed interface Attack {
    /**
     * Suffixes that make an answer begin as it is wanted (Zou et al., arXiv:2307.15043).
     *
     * @param options of the search
     */
    record Gcg(GcgOptions options) implements Attack {
    }

    /**
     * The answer's first tokens are given (Andriushchenko et al., arXiv:2404.02151; Qi et al., arXiv:2406.05946).
     *
     * @param options what is given
     */
    record Prefill(PrefillOptions options) implements Attack {
    }

    /**
     * The direction that tells harmful from harmless prompts is taken out of the residual stream (Arditi et al., arXiv:2406.11717).
     *
     * @param options of its choice
     * @param harmless prompts that nobody would refuse
     */
    record Ablate(AblateOptions options, PromptFile harmless) implements Attack {
    }
}
