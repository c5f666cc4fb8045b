package io.sails4j.cli;

import io.sails4j.align.AlignOptions;
import io.sails4j.data.DataOptions;
import io.sails4j.options.Options;
import io.sails4j.subspace.SubspaceOptions;
import java.util.List;

/** The records of options that commands have. */
final class AllOptions {
    private AllOptions() {
    }

    /** With their defaults. */
    static List<Record> defaults() {
        return List.of(AlignOptions.defaults(), DataOptions.defaults(), SubspaceOptions.defaults());
    }

    /** A table for the documentation, in Markdown. */
    static String table() {
        StringBuilder table = new StringBuilder(
            "| option | in `sails_run.json` | default | decides the result | |\n|---|---|---|---|---|\n");
        for (Record record : defaults()) {
            for (Options.Entry entry : Options.of(record)) {
                table.append("| `").append(OptionFlags.flag(entry.name())).append("` | `").append(entry.name()).append("` | ")
                    .append(Options.spelling(entry.value())).append(" | ").append(entry.decides() ? "yes" : "no").append(" | ")
                    .append(OptionFlags.inSentence(entry.description()).replace("|", "\\|")).append(" |\n");
            }
        }
        return table.toString();
    }
}
