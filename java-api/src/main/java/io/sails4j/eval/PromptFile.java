package io.sails4j.eval;

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

    /** The same prompts, of which those that say nothing want this. */
    public PromptFile wanting(Wanted wanted) {
        return new PromptFile(path, format,
            prompts.stream().map(prompt -> prompt.wanted() == Wanted.UNKNOWN ? prompt.wanting(wanted) : prompt).toList(), notes);
    }
}
