package io.sails4j.eval;

import io.sails4j.config.ModelConfig;
import io.sails4j.data.ChatTemplate;
import io.sails4j.data.StopTokens;
import io.sails4j.data.TokenPrompt;
import io.sails4j.data.Tokenizer;
import io.sails4j.data.Wanted;
import io.sails4j.train.PolicyTask;
import io.sails4j.train.Reward;
import java.nio.file.Path;
import java.util.List;

/**
 * The prompts of a file.
 *
 * @param format as which it was recognised
 * @param notes what was left out, and what was made of a column, for people
 */
public record PromptFile(Path path, PromptFormat format, List<EvalPrompt> prompts, List<String> notes) {
    public PromptFile {
        prompts = List.copyOf(prompts);
        notes = List.copyOf(notes);
    }

    /**
     * Reads a file: a table (CSV, TSV, Parquet), JSON lines or a JSON array whose columns tell what it is, or text with a prompt a line.
     *
     * @throws io.sails4j.InputException where the columns are none that are known; the message lists them
     */
    public static PromptFile read(Path path) {
        return new PromptReader(path).read();
    }

    /**
     * Reads the prompts of preference data in any format that training reads: the dialogue before the answers.
     *
     * @throws io.sails4j.InputException where the file is no preference data
     */
    public static PromptFile ofPreferences(Path path) {
        return new PromptReader(path).preferences();
    }

    /** The same prompts, of which those that say nothing want this. */
    public PromptFile wanting(Wanted wanted) {
        return new PromptFile(path, format,
            prompts.stream().map(prompt -> prompt.wanted() == Wanted.UNKNOWN ? prompt.wanting(wanted) : prompt).toList(), notes);
    }

    /** The first prompts. */
    public PromptFile first(int most) {
        return new PromptFile(path, format, prompts.subList(0, Math.min(most, prompts.size())), notes);
    }

    /** The prompts as a model's tokens, up to the opening of the answer. */
    public List<TokenPrompt> tokens(ChatTemplate template) {
        return prompts.stream().map(p -> new TokenPrompt(template.prompt(p.messages()), p.request(), p.wanted(), p.origin())).toList();
    }

    /**
     * What a policy learns from: all prompts of some files, as they are answered by a model.
     *
     * @param tokenizer of the model, stays the caller's and open while the task is used
     * @param template chat template, as {@link ChatTemplate} takes it
     * @param model directory of the checkpoint, whose stop tokens end answers
     * @param reward what answers are worth
     */
    public static PolicyTask task(List<PromptFile> files, Tokenizer tokenizer, String template, Path model, Reward reward) {
        ChatTemplate chat = new ChatTemplate(tokenizer, template);
        return new PolicyTask(files.stream().flatMap(file -> file.tokens(chat).stream()).toList(), reward,
            ids -> tokenizer.decode(ids, true), StopTokens.of(model, ModelConfig.read(model), chat));
    }
}
