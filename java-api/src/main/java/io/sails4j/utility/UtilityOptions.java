package io.sails4j.utility;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.data.Tokenizer;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;

/** How usefulness is measured. */
@OptionGroup("Utility")
public record UtilityOptions(
    @Described(value = "tokens that perplexity reads at once, 0 = 1024 or what the model can where that is less",
        label = "N") int window,
    @Described(value = "tokens that each further window of a long document counts, behind the rest of the window, 0 = half a window",
        label = "N") int stride,
    @Described(value = "examples of its subject before each multiple choice question", label = "K") int shots,
    @Described(value = "what a multiple choice question is answered with: the letter of a choice, or its text",
        label = "letter|text") ChoiceForm choiceForm,
    @Described(value = "tokens of the base model's answers over which the KL divergence is taken, at most", label = "N") int klTokens) {
    private static final int DEFAULT_WINDOW = 1024;

    public UtilityOptions {
        InputException.requireOption(window == 0 || window >= 2, "window", window, "0 (what suits the model), or 2 or more tokens");
        InputException.requireOption(stride >= 0 && (window == 0 || stride <= window), "stride", stride,
            "0 (half a window) to " + (window == 0 ? "the window" : "window=" + window));
        InputException.requireOption(shots >= 0, "shots", shots, "0 or more examples");
        InputException.requireOption(klTokens >= 1, "kl_tokens", klTokens, "1 or more tokens");
    }

    /** Letters without examples, 32 tokens of each answer. */
    public static UtilityOptions defaults() {
        return new UtilityOptions(0, 0, 0, ChoiceForm.LETTER, 32);
    }

    /** The loss of documents by a model whose windows are as asked for, or as suit it. */
    public Perplexity perplexity(TokenLosses losses, Tokenizer tokenizer, ModelConfig model) {
        int most = model.maxPositionEmbeddings();
        InputException.requireOption(window <= most, "window", window, "at most the model's max_position_embeddings of " + most);
        int taken = window > 0 ? window : Math.min(DEFAULT_WINDOW, most);
        return new Perplexity(losses, tokenizer, taken, stride > 0 ? stride : Math.max(1, taken / 2));
    }
}
