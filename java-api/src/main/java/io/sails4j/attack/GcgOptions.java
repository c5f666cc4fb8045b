package io.sails4j.attack;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;

/**
 * What suffixes are searched for.
 *
 * @param search how
 */
@OptionGroup("Suffixes")
public record GcgOptions(SearchOptions search,
    @Described(value = "text that the search begins with, behind each prompt and a space", label = "TEXT") String suffix,
    @Described(value = "how the answer shall begin, where the prompts' file has no target", label = "TEXT") String target,
    @Described(value = "prompts that share one suffix, 0 = all; 1 = each has its own", label = "N") int together,
    @Described(value = "suffixes of each arm, those with the lowest loss, that are put behind all other prompts too",
        label = "N") int transfer) {

    public GcgOptions {
        if (suffix.isBlank()) {
            throw new InputException("suffix is empty, expected a text to begin with");
        }
        Targets.requireText(target);
        if (together < 0) {
            throw new InputException("together is " + together + ", expected 0 (all prompts share a suffix) or more");
        }
        if (transfer < 0) {
            throw new InputException("transfer is " + transfer + ", expected 0 (no suffix) or more");
        }
    }

    /** The paper's: twenty exclamation marks, a suffix for each prompt, no transfer. */
    public static GcgOptions defaults() {
        return new GcgOptions(SearchOptions.defaults(), "! ".repeat(19) + "!", Targets.DEFAULT, 1, 0);
    }

    /** The same with another search. */
    public GcgOptions withSearch(SearchOptions other) {
        return new GcgOptions(other, suffix, target, together, transfer);
    }
}
