package io.sails4j.data;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;

/** How much of the preference data is used. */
@OptionGroup("Data")
public record DataOptions(
    @Described(value = "longest sequence in tokens", label = "N") int maxLength,
    @Described(value = "use the first N pairs only, 0 = all", label = "N") int limit,
    @Described(value = "chat template: a Jinja file, one of a family, or the checkpoint's (its family's where it has none)",
        label = "FILE|gemma2|llama3|checkpoint") String template) {

    public DataOptions {
        InputException.requireOption(maxLength >= 8, "max_length", maxLength, "8 or more tokens");
        InputException.requireOption(limit >= 0, "limit", limit, "0 (all) or more");
        InputException.requireOption(!template.isBlank(), "template", template, "a file, gemma2, llama3 or checkpoint");
    }

    /** All pairs, sequences of at most 1024 tokens. */
    public static DataOptions defaults() {
        return new DataOptions(1024, 0, ChatTemplate.CHECKPOINT);
    }
}
