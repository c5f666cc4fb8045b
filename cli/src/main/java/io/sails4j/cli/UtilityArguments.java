package io.sails4j.cli;

import io.sails4j.eval.PromptFile;
import io.sails4j.eval.UtilityFiles;
import io.sails4j.utility.ChoiceFile;
import io.sails4j.utility.TextFile;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;

/** By what an evaluation measures how useful the arms are. */
final class UtilityArguments {
    private static final Pattern COLUMN = Pattern.compile("(?s)(.+)=([^=/]+)");

    @Option(names = "--perplexity", paramLabel = "FILE[=COLUMN]",
        description = "texts whose perplexity is taken: NAME.txt, one document, or a table or JSON lines with a document a row in COLUMN"
            + " (default: text); repeat for more")
    private List<String> texts = new ArrayList<>();

    @Option(names = "--choices", paramLabel = "FILE|DIR",
        description = "multiple choice questions answered by likelihood: MMLU's CSV, or question, choices and answer as cais/mmlu and ARC"
            + " have them; a directory is all of its files together; repeat for more")
    private List<Path> choices = new ArrayList<>();

    @Option(names = "--choices-dev", paramLabel = "FILE|DIR", description = "examples for --shots, in the same forms")
    private @Nullable Path examples;

    @Option(names = "--kl", paramLabel = "FILE",
        description = "benign prompts, in the forms of --prompts: how far each arm's next-token distributions are from the base model's"
            + " over the base model's greedy answers; repeat for more")
    private List<Path> benign = new ArrayList<>();

    boolean isEmpty() {
        return texts.isEmpty() && choices.isEmpty() && benign.isEmpty();
    }

    /** Refuses options of measures that are not taken. */
    void requireUsed(CommandSpec command, boolean answers) {
        if (texts.isEmpty()) {
            OptionFlags.requireNone(command, List.of("--window", "--stride"),
                "it is about --perplexity, which is not asked for: leave it out");
        }
        if (choices.isEmpty()) {
            OptionFlags.requireNone(command, List.of("--shots", "--choice-form", "--choices-dev"),
                "it is about --choices, which are not asked for: leave it out");
        }
        if (benign.isEmpty()) {
            OptionFlags.requireNone(command, List.of("--kl-tokens"), "it is about --kl, which is not asked for: leave it out");
        }
        if (!answers) {
            OptionFlags.requireNone(command, List.of("--max-new-tokens", "--temperature", "--top-k", "--top-p"),
                "it is about answers to --prompts, which are not given: leave it out");
        }
        if (!answers && benign.isEmpty()) {
            OptionFlags.requireNone(command, List.of("--template", "--system", "--batch", "--decode-rows"),
                "it is about answers to --prompts and --kl, which are not given: leave it out");
        }
    }

    /** Reads the files and says what was found in them. */
    UtilityFiles read(CommonOptions common) {
        List<TextFile> readTexts = texts.stream().map(UtilityArguments::text).toList();
        readTexts.forEach(file -> {
            common.message("perplexity: " + file.path() + ", " + counted(file.documents().size(), "document"));
            file.notes().forEach(note -> common.message("perplexity: " + note));
        });
        List<ChoiceFile> readChoices = choices.stream().map(ChoiceFile::read).toList();
        readChoices.forEach(file -> common.message("choices: " + file.path() + ", " + counted(file.questions().size(), "question") + " of "
            + counted(file.subjects().size(), "subject")));
        List<PromptFile> readBenign = benign.stream().map(PromptFile::read).toList();
        readBenign.forEach(file -> {
            common.message("kl: " + file.path() + " is " + file.format().title() + ", " + counted(file.prompts().size(), "prompt"));
            file.notes().forEach(note -> common.message("kl: " + note));
        });
        return new UtilityFiles(readTexts, readChoices, examples == null ? null : ChoiceFile.read(examples), readBenign);
    }

    private static String counted(int count, String what) {
        return count + " " + what + (count == 1 ? "" : "s");
    }

    /** FILE or FILE=COLUMN. */
    static TextFile text(String given) {
        Matcher column = COLUMN.matcher(given);
        return Files.exists(Path.of(given)) || !column.matches() ? TextFile.read(Path.of(given), null)
            : TextFile.read(Path.of(column.group(1)), column.group(2));
    }
}
