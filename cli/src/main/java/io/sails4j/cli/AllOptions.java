package io.sails4j.cli;

import io.sails4j.align.AlignOptions;
import io.sails4j.attack.AblateOptions;
import io.sails4j.attack.GcgOptions;
import io.sails4j.attack.PrefillOptions;
import io.sails4j.data.DataOptions;
import io.sails4j.eval.EvalOptions;
import io.sails4j.explain.ExplainOptions;
import io.sails4j.monitor.CalibrationOptions;
import io.sails4j.options.Options;
import io.sails4j.saeeval.SaeEvalOptions;
import io.sails4j.saetrain.SaeTrainOptions;
import io.sails4j.serve.ServeOptions;
import io.sails4j.serving.SchedulerOptions;
import io.sails4j.subspace.SubspaceOptions;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;

/** The records of options that commands have. */
final class AllOptions {
    private AllOptions() {
    }

    /** Those of {@code align}, with their defaults. */
    static List<Record> defaults() {
        return List.of(AlignOptions.defaults(), DataOptions.defaults(), SubspaceOptions.defaults());
    }

    /** Those of {@code eval}. */
    static List<Record> ofEval() {
        return List.of(EvalOptions.defaults());
    }

    /** Those of {@code explain}. */
    static List<Record> ofExplain() {
        return List.of(DataOptions.defaults(), ExplainOptions.defaults());
    }

    /** Those of each attack, by its name: its own, and those of how answers are made. */
    static SequencedMap<String, List<Record>> ofAttacks() {
        SequencedMap<String, List<Record>> records = new LinkedHashMap<>();
        records.put("gcg", List.of(GcgOptions.defaults(), EvalOptions.defaults()));
        records.put("prefill", List.of(PrefillOptions.defaults(), EvalOptions.defaults()));
        records.put("ablate", List.of(AblateOptions.defaults(), EvalOptions.defaults()));
        return records;
    }

    /** Those of each command on autoencoders, by its name. */
    static SequencedMap<String, List<Record>> ofSae() {
        SequencedMap<String, List<Record>> records = new LinkedHashMap<>();
        records.put("train", List.of(SaeTrainOptions.defaults(), DataOptions.defaults()));
        records.put("eval", List.of(SaeEvalOptions.defaults(), DataOptions.defaults()));
        return records;
    }

    /** Those of {@code monitor calibrate}. */
    static List<Record> ofMonitor() {
        return List.of(CalibrationOptions.defaults(), DataOptions.defaults());
    }

    /** Those of {@code serve}. */
    static List<Record> ofServe() {
        return List.of(ServeOptions.defaults(), SchedulerOptions.defaults());
    }

    /** Those of every command. */
    static List<Record> ofAllCommands() {
        List<Record> all = new ArrayList<>(defaults());
        all.addAll(ofEval());
        all.addAll(ofExplain());
        all.addAll(ofServe());
        all.addAll(ofMonitor());
        ofAttacks().values().forEach(all::addAll);
        ofSae().values().forEach(all::addAll);
        return all;
    }

    /** A table of the options of {@code align} for the documentation, in Markdown. */
    static String table() {
        return table(defaults(), "sails_run.json");
    }

    /** A table of options that a file holds. */
    static String table(List<Record> records, String file) {
        StringBuilder table = new StringBuilder(
            "| option | in `" + file + "` | default | decides the result | |\n|---|---|---|---|---|\n");
        for (Record record : records) {
            for (Options.Entry entry : Options.of(record)) {
                table.append("| `").append(OptionFlags.flag(entry.name())).append("` | `").append(entry.name()).append("` | ")
                    .append(Options.spelling(entry.value())).append(" | ").append(entry.decides() ? "yes" : "no").append(" | ")
                    .append(OptionFlags.inSentence(entry.description()).replace("|", "\\|")).append(" |\n");
            }
        }
        return table.toString();
    }
}
