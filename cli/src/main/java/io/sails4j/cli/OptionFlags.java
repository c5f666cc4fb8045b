package io.sails4j.cli;

import io.sails4j.InputException;
import io.sails4j.config.Projection;
import io.sails4j.options.Options;
import java.util.Collection;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import picocli.CommandLine;
import picocli.CommandLine.Model.ArgGroupSpec;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Model.OptionSpec;

/**
 * The library's options as flags: an option {@code micro_batch_tokens} is {@code --micro-batch-tokens}, with the help that its description
 * gives. Sentences of the library name options in snake case; {@link #inSentence} makes flags of them.
 */
final class OptionFlags {
    /** Flags that have another name than their option. */
    private static final Map<String, List<String>> NAMES = Map.of("r", List.of("-r", "--rank"), "lora_alpha", List.of("--alpha"),
        "use_rslora",
        List.of("--rslora"), "use_dora", List.of("--dora"));
    /** Constants that no flag changes, and the seed, which every command has. */
    private static final Set<String> WITHOUT_FLAG = Set.of("beta1", "beta2", "eps", "seed");
    /** Booleans that are true by default, or that a person may want to say either way. */
    private static final Set<String> BOOLEAN_WITH_VALUE = Set.of("centre", "unit_rows");
    /** Where the library's default depends on another option. */
    private static final Map<String, String> SHOWN_DEFAULTS = Map.of("lora_alpha", "R", "fill", "auto", "system", "none", "decode_rows",
        "auto");
    /** Words that sentences use in {@code name=value} and that are no options of records. */
    private static final Set<String> OTHER_OPTIONS = Set.of("dtype", "sae", "memory_gib", "include", "layers");
    private static final Pattern ASSIGNMENT = Pattern.compile("\\b([a-z][a-z0-9_]*)=([A-Za-z0-9.]+)");
    private static final Pattern SNAKE_CASE = Pattern.compile("(?<![\\w./'-])[a-z0-9]+(?:_[a-z0-9]+)+(?![\\w./'-])");

    private OptionFlags() {
    }

    /** Adds the options of some records to a command, in groups by their headings. */
    static void addTo(CommandSpec command, Record... defaults) {
        addTo(command, Set.of(), defaults);
    }

    /** The same but for the options of some names, which keep their defaults. */
    static void addTo(CommandSpec command, Set<String> without, Record... defaults) {
        Map<String, ArgGroupSpec.Builder> groups = new LinkedHashMap<>();
        for (Record record : defaults) {
            for (Options.Entry entry : Options.of(record)) {
                if (!WITHOUT_FLAG.contains(entry.name()) && !without.contains(entry.name())) {
                    groups.computeIfAbsent(entry.group(),
                        heading -> ArgGroupSpec.builder().heading("%n" + heading + ":%n").validate(false).exclusive(false)
                            .multiplicity("0..1"))
                        .addArg(option(entry));
                }
            }
        }
        groups.values().forEach(group -> command.addArgGroup(group.build()));
    }

    private static OptionSpec option(Options.Entry entry) {
        List<String> names = flags(entry.name());
        OptionSpec.Builder option = OptionSpec.builder(names.getFirst(), names.subList(1, names.size()).toArray(String[]::new));
        boolean flag = entry.type() == boolean.class && !BOOLEAN_WITH_VALUE.contains(entry.name());
        if (flag) {
            return option.type(boolean.class).arity("0").description(inSentence(entry.description())).build();
        }
        option.arity("1").description((inSentence(entry.description()) + defaultOf(entry)).replace("%", "%%"));
        if (entry.type() == boolean.class) {
            return option.type(boolean.class).paramLabel("true|false").build();
        }
        option.paramLabel(entry.label());
        if (Collection.class.isAssignableFrom(entry.type())) {
            return option.type(List.class).auxiliaryTypes(String.class).splitRegex(",").build();
        }
        if (entry.value() instanceof Map<?, ?>) {
            return option.type(LinkedHashMap.class)
                .auxiliaryTypes(String.class, entry.name().equals("rank_pattern") ? Integer.class : Double.class)
                .splitRegex(",").build();
        }
        // What has a spelling of its own is read by whoever asks for it.
        return option.type(entry.type().isPrimitive() || entry.type().isEnum() ? entry.type() : String.class).build();
    }

    private static String defaultOf(Options.Entry entry) {
        String shown = SHOWN_DEFAULTS.getOrDefault(entry.name(), Options.spelling(entry.value()));
        return entry.value() instanceof Map<?, ?> ? "" : " (default: " + shown + ")";
    }

    /** An option's flags, the shortest first. */
    private static List<String> flags(String name) {
        return NAMES.getOrDefault(name, List.of("--" + name.replace('_', '-')));
    }

    /** An option's flag in full. */
    static String flag(String name) {
        return flags(name).getLast();
    }

    /** The values that were given, by the options' names. */
    static Map<String, Object> given(CommandSpec command, Record defaults) {
        CommandLine.ParseResult parsed = command.commandLine().getParseResult();
        Map<String, Object> values = new HashMap<>();
        for (Options.Entry entry : Options.of(defaults)) {
            String flag = flag(entry.name());
            if (!WITHOUT_FLAG.contains(entry.name()) && parsed.hasMatchedOption(flag)) {
                Object value = parsed.matchedOption(flag).getValue();
                values.put(entry.name(), value instanceof List<?> names ? projections(names) : value);
            }
        }
        return values;
    }

    private static Set<Projection> projections(List<?> names) {
        Set<Projection> projections = new LinkedHashSet<>();
        names.forEach(name -> projections.add(Projection.parse(String.valueOf(name).strip())));
        return projections;
    }

    /** The record with what was given; refuses what does nothing beside the rest. */
    static <R extends Record> R values(CommandSpec command, R defaults) {
        Map<String, Object> given = given(command, defaults);
        R values = Options.with(defaults, given);
        Options.requireUsed(values, given.keySet());
        return values;
    }

    /**
     * Refuses options of a record that were given where nothing reads them.
     *
     * @param used the names of those that are read all the same
     * @param why what would have to be otherwise, the end of a sentence
     */
    static void requireNone(CommandSpec command, Record defaults, Set<String> used, String why) {
        given(command, defaults).keySet().stream().filter(name -> !used.contains(name)).sorted().findFirst().ifPresent(name -> {
            throw new InputException(flag(name) + " is given, and " + why);
        });
    }

    /** The same of flags that a command has itself. */
    static void requireNone(CommandSpec command, List<String> flags, String why) {
        CommandLine.ParseResult parsed = command.commandLine().getParseResult();
        flags.stream().filter(parsed::hasMatchedOption).findFirst().ifPresent(flag -> {
            throw new InputException(flag + " is given, and " + why);
        });
    }

    /** A sentence of the library with flags for the options that it names. */
    static String inSentence(String sentence) {
        Set<String> known = Known.NAMES;
        Matcher assignments = ASSIGNMENT.matcher(sentence);
        String text = assignments
            .replaceAll(m -> Matcher.quoteReplacement(known.contains(m.group(1)) ? assigned(m.group(1), m.group(2)) : m.group()));
        text = SNAKE_CASE.matcher(text).replaceAll(m -> Matcher.quoteReplacement(known.contains(m.group()) ? flag(m.group()) : m.group()));
        int end = text.indexOf(" is ");
        return end > 0 && known.contains(text.substring(0, end)) ? flag(text.substring(0, end)) + text.substring(end) : text;
    }

    private static String assigned(String name, String value) {
        return value.equals("true") ? flag(name) : flag(name) + " " + value;
    }

    /** The names of all options that have flags. */
    private static final class Known {
        private static final Set<String> NAMES = names();

        private static Set<String> names() {
            Set<String> names = new LinkedHashSet<>(OTHER_OPTIONS);
            names.add("resume");
            for (Record record : AllOptions.ofAllCommands()) {
                Options.of(record).stream().map(Options.Entry::name).filter(name -> !WITHOUT_FLAG.contains(name)).forEach(names::add);
            }
            return names;
        }
    }
}
