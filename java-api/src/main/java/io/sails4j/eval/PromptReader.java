package io.sails4j.eval;

import io.sails4j.InputException;
import io.sails4j.data.Conversation;
import io.sails4j.data.Message;
import io.sails4j.data.Origin;
import io.sails4j.data.PreferencePair;
import io.sails4j.data.PreferenceReader;
import io.sails4j.data.PreferenceSet;
import io.sails4j.data.RowFile;
import io.sails4j.data.Wanted;
import io.sails4j.files.ForeignFile;
import io.sails4j.files.JsonFiles;
import java.io.IOException;
import java.nio.charset.CharacterCodingException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** Reads one file of prompts. */
final class PromptReader {
    /** The categories of HEx-PHI in the order of its files (Qi et al., arXiv:2310.03693, appendix A). */
    private static final List<String> HEX_PHI = List.of("Illegal Activity", "Child Abuse Content", "Hate/Harass/Violence", "Malware",
        "Physical Harm", "Economic Harm", "Fraud/Deception", "Adult Content", "Political Campaigning", "Privacy Violation Activity",
        "Tailored Financial Advice");
    private static final Pattern HEX_PHI_NAME = Pattern.compile("(?i)category_(\\d{1,2})\\.(csv|txt)");
    private static final Pattern TEXT_NAME = Pattern.compile("(?i).*\\.(txt|text|md|prompts)");

    private final Path path;
    private final String name;
    private final List<EvalPrompt> prompts = new ArrayList<>();
    private final List<String> notes = new ArrayList<>();

    PromptReader(Path path) {
        this.path = path;
        this.name = path.getFileName().toString();
    }

    PromptFile read() {
        ForeignFile.requireRegular(path);
        Matcher hexPhi = HEX_PHI_NAME.matcher(name);
        if (hexPhi.matches()) {
            int number = Integer.parseInt(hexPhi.group(1));
            String category = number >= 1 && number <= HEX_PHI.size() ? HEX_PHI.get(number - 1) : stem();
            return lines(PromptFormat.HEX_PHI, category, Wanted.REFUSE);
        }
        if (TEXT_NAME.matcher(name).matches()) {
            return lines(PromptFormat.LINES, stem(), Wanted.UNKNOWN);
        }
        RowFile file = RowFile.read(path);
        PromptFormat format = PromptFormat.of(file.columns()).orElseThrow(() -> new InputException(path + " has the columns "
            + String.join(", ", file.columns()) + ", which are those of no prompts that are known; expected " + expected()
            + ", or a file NAME.txt with a prompt a line"));
        if (format == PromptFormat.PREFERENCES) {
            return preferences();
        }
        Columns columns = new Columns(file);
        for (RowFile.Row row : file.rows()) {
            add(format, columns, row);
        }
        return finished(format);
    }

    private static String expected() {
        return Arrays.stream(PromptFormat.values()).filter(format -> !format.columns().isEmpty())
            .map(format -> String.join(" + ", format.columns()) + " (" + format.title() + ")").collect(Collectors.joining(", "));
    }

    private PromptFile finished(PromptFormat format) {
        if (prompts.isEmpty()) {
            throw new InputException(path + " has no prompts; expected one or more");
        }
        return new PromptFile(path, format, prompts, notes);
    }

    private String stem() {
        return name.replaceFirst("(\\.[A-Za-z]{1,7}){1,2}$", "");
    }

    /** The cells of a row by the names of columns. */
    private static final class Columns {
        private final RowFile file;
        private final List<String> names;

        Columns(RowFile file) {
            this.file = file;
            this.names = file.columns();
        }

        /** What is put before a model: a text, or nothing. */
        String text(RowFile.Row row, String column) {
            file.requireText(row, column);
            return get(row, column);
        }

        /** Empty where there is no such column. */
        String get(RowFile.Row row, String column) {
            int at = names.indexOf(column);
            return at < 0 ? "" : row.values().get(at);
        }

        /** The first of these columns that the row has something in, else the last resort. */
        String first(RowFile.Row row, String lastResort, String... columns) {
            for (String column : columns) {
                String value = get(row, column);
                if (!value.isBlank()) {
                    return value.strip();
                }
            }
            return lastResort;
        }
    }

    private void add(PromptFormat format, Columns c, RowFile.Row row) {
        String number = String.valueOf(row.index() + 1);
        switch (format) {
            case ADVBENCH -> add(number, c.text(row, "goal"), stem(), Wanted.REFUSE, row.origin(), c.text(row, "target"));
            case HARMBENCH -> {
                String context = c.text(row, "ContextString");
                if (!context.isBlank() && notes.isEmpty()) {
                    notes.add("HarmBench: where there is a ContextString, it stands before the behaviour, with an empty line between");
                }
                add(c.first(row, number, "BehaviorID"),
                    context.isBlank() ? c.text(row, "Behavior") : context + "\n\n" + c.text(row, "Behavior"),
                    c.first(row, stem(), "SemanticCategory"), Wanted.REFUSE, row.origin());
            }
            case JAILBREAKBENCH -> add(c.first(row, number, "Index"), c.text(row, "Goal"), c.first(row, stem(), "Category"),
                benign() ? Wanted.COMPLY : Wanted.REFUSE, row.origin(), c.text(row, "Target"));
            case XSTEST -> add(c.first(row, number, "id"), c.text(row, "prompt"), c.first(row, stem(), "type"),
                Wanted.parse(c.get(row, "label"), row.origin()), row.origin());
            case XSTEST_TYPES -> add(c.first(row, number, "id"), c.text(row, "prompt"), c.first(row, stem(), "type"),
                c.get(row, "type").startsWith("contrast") ? Wanted.REFUSE : Wanted.COMPLY, row.origin());
            case MESSAGES -> add(c.first(row, number, "id"), messages(c.get(row, "messages"), row.origin()), c, row);
            case PROMPTS -> add(c.first(row, number, "id"), message(c.text(row, "prompt"), row.origin()), c, row);
            case INSTRUCTIONS -> {
                String input = c.text(row, "input");
                String text = c.text(row, "instruction");
                add(c.first(row, number, "id"), message(input.isBlank() ? text : text + "\n\n" + input, row.origin()), c, row);
            }
            case PREFERENCES, HEX_PHI, LINES -> throw new IllegalStateException(format + " has no columns of its own");
        }
    }

    /** JailbreakBench has harmless behaviours in a file of the same columns; only the file's name tells. */
    private boolean benign() {
        boolean benign = name.toLowerCase(Locale.ROOT).contains("benign");
        if (notes.isEmpty()) {
            notes.add("JailbreakBench: the file's name has " + (benign ? "'benign' in it, so its prompts want an answer"
                : "no 'benign' in it, so its prompts want a refusal"));
        }
        return benign;
    }

    private void add(String id, String text, String category, Wanted wanted, Origin origin) {
        add(id, text, category, wanted, origin, "");
    }

    private void add(String id, String text, String category, Wanted wanted, Origin origin, String target) {
        prompts.add(new EvalPrompt(id, message(text, origin), category, wanted, origin, target.strip()));
    }

    /** A row of somebody's own: {@code category} or {@code type}, and {@code wanted} or {@code label}, count where they are. */
    private void add(String id, List<Message> messages, Columns c, RowFile.Row row) {
        prompts.add(new EvalPrompt(id, messages, c.first(row, stem(), "category", "type"),
            Wanted.parse(c.first(row, "", "wanted", "label"), row.origin()), row.origin(), c.text(row, "target").strip()));
    }

    private static List<Message> message(String text, Origin origin) {
        if (text.isBlank()) {
            throw new InputException(origin + " has an empty prompt, expected a text to answer");
        }
        return List.of(new Message("user", text));
    }

    private static List<Message> messages(String text, Origin origin) {
        List<Message> messages = Conversation.of(JsonFiles.parse(text, "'messages' of " + origin), origin.toString());
        if (messages.isEmpty() || !messages.getLast().role().equals("user")) {
            throw new InputException(origin + ": the messages do not end with the user's, found "
                + (messages.isEmpty() ? "none" : "'" + messages.getLast().role() + "' last"));
        }
        return messages;
    }

    /** Preference data: the dialogue before the answers. */
    PromptFile preferences() {
        PreferenceSet set = PreferenceReader.read(path);
        notes.addAll(set.report().sentences());
        for (PreferencePair pair : set.pairs()) {
            prompts.add(new EvalPrompt(String.valueOf(pair.origin().number()), pair.prompt(), stem(), Wanted.UNKNOWN, pair.origin()));
        }
        notes.add(set.format().title() + ": the prompt is the dialogue before the answers");
        return finished(PromptFormat.PREFERENCES);
    }

    private PromptFile lines(PromptFormat format, String category, Wanted wanted) {
        List<String> lines;
        try {
            lines = JsonFiles.withoutMark(Files.readString(path)).lines().toList();
        } catch (CharacterCodingException e) {
            throw new InputException(path + " is not valid UTF-8; convert the file (iconv -t UTF-8)", e);
        } catch (IOException e) {
            throw new InputException("cannot read " + path + ": " + e, e);
        }
        for (int i = 0; i < lines.size(); i++) {
            String line = unquoted(format, lines.get(i).strip());
            if (!line.isEmpty()) {
                add(String.valueOf(i + 1), line, category, wanted, Origin.line(path, i + 1));
            }
        }
        return finished(format);
    }

    /** HEx-PHI's files are tables of one cell a line: one with a comma in it stands in quotes. */
    private static String unquoted(PromptFormat format, String line) {
        boolean quoted = format == PromptFormat.HEX_PHI && line.length() > 1 && line.startsWith("\"") && line.endsWith("\"");
        return quoted ? line.substring(1, line.length() - 1).replace("\"\"", "\"") : line;
    }
}
