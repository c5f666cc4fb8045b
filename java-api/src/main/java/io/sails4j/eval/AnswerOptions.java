package io.sails4j.eval;

import io.sails4j.data.ChatTemplate;
import io.sails4j.model.GenerationOptions;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import java.util.Set;

/** How prompts are answered. */
@OptionGroup("Answers")
public record AnswerOptions(
    @Described(value = "tokens that an answer has at most", label = "N") int maxNewTokens,
    @Described(value = "0 = greedy", label = "T") double temperature,
    @Described(value = "sample from the K largest logits, 0 = all", label = "K", usedWith = "temperature>0") int topK,
    @Described(value = "sample from the smallest set with this probability, 1 = all", label = "P", usedWith = "temperature>0") double topP,
    @Described(value = "chat template: a Jinja file, gemma2, llama3, or the checkpoint's",
        label = "FILE|gemma2|llama3|checkpoint") String template,
    @Described(value = "system turn before every prompt, where the template knows one", label = "TEXT") String system) {

    public AnswerOptions {
        // The bounds and their sentences are the generation's.
        new GenerationOptions(maxNewTokens, temperature, topK, topP, 0, Set.of());
    }

    /** Greedy answers of up to 256 tokens by the checkpoint's template, without a system turn. */
    public static AnswerOptions defaults() {
        return new AnswerOptions(256, 0, 0, 1, ChatTemplate.CHECKPOINT, "");
    }

    /** The same with answers of another length. */
    public AnswerOptions withMaxNewTokens(int most) {
        return new AnswerOptions(most, temperature, topK, topP, template, system);
    }

    /** The same, sampled at a temperature; 0 = greedy. */
    public AnswerOptions withTemperature(double other) {
        return new AnswerOptions(maxNewTokens, other, topK, topP, template, system);
    }
}
