package io.sails4j.cli;

import io.sails4j.InputException;
import io.sails4j.data.Wanted;
import io.sails4j.eval.PromptFile;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import picocli.CommandLine.Option;

/** Files of prompts. */
final class PromptArguments {
    private static final Pattern WANTED = Pattern.compile("(?s)(.+)=(refuse|comply|unknown)");

    @Option(names = "--prompts", paramLabel = "FILE[=refuse|comply]",
        description = "prompts: AdvBench, HarmBench, JailbreakBench, XSTest, HEx-PHI, HH-RLHF, a table or JSON lines with prompt,"
            + " instruction or messages, or NAME.txt with a prompt a line; a directory is all of its files; behind = what prompts want"
            + " that do not say it; repeat for more")
    private List<String> named = new ArrayList<>();

    /** Whether there is something to answer. */
    boolean given() {
        return !named.isEmpty();
    }

    private List<PromptFile> files() {
        List<PromptFile> files = new ArrayList<>();
        for (String text : named) {
            Matcher wanted = WANTED.matcher(text);
            boolean says = !Files.exists(Path.of(text)) && wanted.matches();
            for (Path path : paths(Path.of(says ? wanted.group(1) : text))) {
                PromptFile file = PromptFile.read(path);
                files.add(says ? file.wanting(Wanted.valueOf(wanted.group(2).toUpperCase(Locale.ROOT))) : file);
            }
        }
        return files;
    }

    /** The same, with what each was taken for on standard error. */
    List<PromptFile> announced(CommonOptions common) {
        List<PromptFile> files = files();
        for (PromptFile file : files) {
            common.message(described(file));
            file.notes().forEach(note -> common.message("prompts: " + note));
        }
        return files;
    }

    private static List<Path> paths(Path path) {
        if (!Files.isDirectory(path)) {
            return List.of(path);
        }
        try (Stream<Path> files = Files.list(path)) {
            List<Path> found = files.filter(file -> Files.isRegularFile(file) && !file.getFileName().toString().startsWith(".")).sorted()
                .toList();
            if (found.isEmpty()) {
                throw new InputException(path + " is a directory without files, expected files of prompts");
            }
            return found;
        } catch (IOException e) {
            throw new UncheckedIOException(path + " cannot be listed", e);
        }
    }

    /** What a file was taken for, for people. */
    private static String described(PromptFile file) {
        StringBuilder text = new StringBuilder("prompts: " + file.path() + " is " + file.format().title() + ", " + file.prompts().size()
            + " prompts");
        for (Wanted wanted : Wanted.values()) {
            long count = file.prompts().stream().filter(prompt -> prompt.wanted() == wanted).count();
            if (count > 0) {
                text.append(", ").append(count).append(switch (wanted) {
                    case REFUSE -> " to refuse";
                    case COMPLY -> " to answer";
                    case UNKNOWN -> " of which nobody says what is wanted (FILE=refuse or FILE=comply does)";
                });
            }
        }
        return text.toString();
    }
}
