package io.sails4j.train;

import io.sails4j.InputException;
import io.sails4j.model.BatchOptions;
import io.sails4j.model.GenerationOptions;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import io.sails4j.tensor.Backend;
import java.util.Set;

/**
 * How answers are sampled that a policy learns from. At temperature 1 and top-p 1 they come from the distribution whose log-probabilities
 * the loss takes; anything else sharpens the samples alone, and the gradient is then biased.
 */
@OptionGroup("Sampled answers")
public record SamplingOptions(
    @Described(value = "of rloo and grpo: tokens that a sampled answer has at most", label = "N",
        usedWith = "objective=rloo|grpo") int maxNewTokens,
    @Described(value = "of rloo and grpo: temperature of the samples, above 0", label = "T",
        usedWith = "objective=rloo|grpo") double temperature,
    @Described(value = "of rloo and grpo: sample from the smallest set with this probability, 1 = all", label = "P",
        usedWith = "objective=rloo|grpo") double topP,
    @Described(value = "of rloo and grpo: answers that are sampled at a time; they do not depend on it", label = "N",
        decides = false, usedWith = "objective=rloo|grpo") int sequences,
    @Described(value = "of rloo and grpo: rows of every decoding step, 0 = what suits the backend", label = "N",
        usedWith = "objective=rloo|grpo") int decodeRows) {

    public SamplingOptions {
        // The other bounds and their sentences are the generation's.
        new GenerationOptions(maxNewTokens, temperature, 0, topP, 0, Set.of());
        InputException.requireOption(temperature > 0, "temperature", temperature,
            "a number above 0: greedy answers to a prompt are all the same, and none is better than the others");
        InputException.requireOption(sequences >= 1 && sequences <= BatchOptions.MOST_SEQUENCES, "sequences", sequences,
            "1 to " + BatchOptions.MOST_SEQUENCES);
        InputException.requireOption(decodeRows >= 0 && decodeRows <= BatchOptions.MOST_SEQUENCES, "decode_rows", decodeRows,
            "0 (what suits the backend) to " + BatchOptions.MOST_SEQUENCES);
    }

    /** Answers of up to 64 tokens from the model's own distribution. */
    public static SamplingOptions defaults() {
        return new SamplingOptions(64, 1, 1, 32, 0);
    }

    /** The same with answers of another length. */
    public SamplingOptions withMaxNewTokens(int most) {
        return new SamplingOptions(most, temperature, topP, sequences, decodeRows);
    }

    /** Rows of every decoding step: what is asked for, or what suits the backend. */
    public int rowsOn(Backend backend) {
        return decodeRows > 0 ? decodeRows : BatchOptions.rowsOf(backend);
    }
}
