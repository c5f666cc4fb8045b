package io.sails4j.cli;

import io.sails4j.InputException;
import io.sails4j.eval.EvalArm;
import io.sails4j.eval.PromptFile;
import io.sails4j.eval.Wanted;
import io.sails4j.hub.HubCache;
import io.sails4j.lora.WeightedAdapter;
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
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** What is evaluated, and with what. */
final class EvalArguments {
    private static final Pattern WANTED = Pattern.compile("(?s)(.+)=(refuse|comply|unknown)");

    @Mixin
    private ModelArguments model;

    @Option(names = "--arm", paramLabel = "NAME=DIR[=WEIGHT][,DIR…]",
        description = "something else to evaluate beside the model: NAME for files and tables, and an adapter of the model, several that"
            + " are summed, or another model; repeat for more")
    private List<String> arms = new ArrayList<>();

    @Option(names = "--prompts", paramLabel = "FILE[=refuse|comply]",
        description = "prompts: AdvBench, HarmBench, JailbreakBench, XSTest, HEx-PHI, HH-RLHF, a table or JSON lines with prompt,"
            + " instruction or messages, or NAME.txt with a prompt a line; a directory is all of its files; behind = what prompts want"
            + " that do not say it; repeat for more")
    private List<String> prompts = new ArrayList<>();

    /**
     * The model alone, called base; it with the adapters of {@code --adapter}, called adapter; and what {@code --arm} names, in this order.
     */
    List<EvalArm> arms() {
        List<EvalArm> all = new ArrayList<>();
        all.add(new EvalArm(EvalArm.BASE, model.model(), List.of()));
        if (!model.adapters().isEmpty()) {
            all.add(new EvalArm("adapter", model.model(), model.adapters()));
        }
        for (String arm : arms) {
            int equals = arm.indexOf('=');
            if (equals < 1) {
                throw new InputException("--arm is '" + arm + "', expected NAME=DIR, NAME=DIR=WEIGHT or NAME=DIR,DIR");
            }
            all.add(arm(arm.substring(0, equals), arm.substring(equals + 1)));
        }
        return all;
    }

    private EvalArm arm(String name, String text) {
        HubCache cache = HubCache.ofSystem();
        List<WeightedAdapter> given = Stream.of(text.split(",")).map(WeightedAdapter::parse)
            .map(asked -> new WeightedAdapter(cache.locate(asked.directory()), asked.weight())).toList();
        Path first = given.getFirst().directory();
        if (Files.exists(first.resolve("config.json")) && !Files.exists(first.resolve("adapter_config.json"))) {
            if (given.size() > 1 || given.getFirst().weight() != 1) {
                throw new InputException("--arm " + name + " names the model " + first
                    + " and more; expected one model without a weight, or adapters of --model");
            }
            return new EvalArm(name, first, List.of());
        }
        return new EvalArm(name, model.model(), given);
    }

    /** Whether there is something to answer. */
    boolean asksPrompts() {
        return !prompts.isEmpty();
    }

    /** All files that were named, in their order. */
    List<PromptFile> prompts() {
        List<PromptFile> files = new ArrayList<>();
        for (String text : prompts) {
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
    List<PromptFile> announcedPrompts(CommonOptions common) {
        List<PromptFile> files = prompts();
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
