package io.sails4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.files.ForeignFile;
import io.sails4j.files.JsonFiles;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.CodingErrorAction;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import java.util.zip.GZIPInputStream;
import java.util.zip.ZipException;
import org.jspecify.annotations.Nullable;

/**
 * Reads preference data, one JSON object a line, plain or gzipped: HH-RLHF ({@code chosen} and {@code rejected} are whole dialogues
 * {@code \n\nHuman: ... \n\nAssistant: ...}) or TRL ({@code prompt}, {@code chosen}, {@code rejected}, as text or as lists of
 * {@code {role, content}}). A file that is broken is an error; a pair that cannot be used (empty answer, equal answers, different
 * prompts, no assistant's turn, turns out of order) is left out, counted and reported.
 */
public final class PreferenceReader {
    private static final String HUMAN = "\n\nHuman:";
    private static final String ASSISTANT = "\n\nAssistant:";
    /** A gzip of a few kilobytes can unpack to one line of gigabytes. */
    private static final int MAX_LINE_BYTES = 64 << 20;

    private final Path path;
    private final DataReport report = new DataReport();
    private final List<PreferencePair> pairs = new ArrayList<>();

    private PreferenceReader(Path path) {
        this.path = path;
    }

    /** Reads a whole file. No usable pair is an error. */
    public static PreferenceSet read(Path path) {
        try {
            return new PreferenceReader(path).read();
        } catch (InputException e) {
            throw ForeignFile.explained(path, e);
        }
    }

    /** A pair that cannot be used, and why. */
    private static final class Unusable extends Exception {
        private static final long serialVersionUID = 1;

        private final String reason;

        Unusable(String reason) {
            super(reason, null, false, false);
            this.reason = reason;
        }

        String reason() {
            return reason;
        }
    }

    private PreferenceSet read() {
        if (!Files.isRegularFile(path)) {
            throw new InputException(path + (Files.exists(path) ? " is not a regular file" : " does not exist"));
        }
        long line = 0;
        try (InputStream in = new BufferedInputStream(open(), 1 << 16)) {
            for (String text = readLine(in, 1); text != null; text = readLine(in, line + 1)) {
                line++;
                String content = line == 1 && text.startsWith("\ufeff") ? text.substring(1) : text;
                if (!content.isBlank()) {
                    report.line();
                    readPair(content, line);
                }
            }
        } catch (EOFException e) {
            throw new InputException(path + " is cut off: the gzip stream ends after line " + line, e);
        } catch (CharacterCodingException e) {
            throw new InputException(path + " line " + (line + 1) + " is not valid UTF-8", e);
        } catch (ZipException e) {
            throw new InputException(path + " is not a gzip file or is damaged after line " + line + ": " + e.getMessage(), e);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot read " + path + ": " + e, e);
        }
        if (pairs.isEmpty()) {
            throw new InputException(path + " has no usable preference pair in " + report.lines() + " lines"
                + (report.sentences().isEmpty() ? "" : ": " + String.join("; ", report.sentences())));
        }
        return new PreferenceSet(pairs, report);
    }

    private InputStream open() throws IOException {
        InputStream raw = Files.newInputStream(path);
        if (!path.getFileName().toString().endsWith(".gz")) {
            return raw;
        }
        try {
            return new GZIPInputStream(raw, 1 << 16);
        } catch (IOException e) {
            raw.close();
            throw e;
        }
    }

    /**
     * The next line without its end ({@code \n} or {@code \r\n}), null at the end of the file. Decoded line by line, because a reader
     * decodes ahead and would name a line before the malformed one.
     */
    private @Nullable String readLine(InputStream in, long line) throws IOException {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        int b = in.read();
        if (b < 0) {
            return null;
        }
        for (; b >= 0 && b != '\n'; b = in.read()) {
            if (bytes.size() == MAX_LINE_BYTES) {
                throw new InputException(path + " line " + line + " is longer than " + MAX_LINE_BYTES
                    + " bytes; preference data has one JSON object a line");
            }
            bytes.write(b);
        }
        String text = StandardCharsets.UTF_8.newDecoder().onMalformedInput(CodingErrorAction.REPORT)
            .onUnmappableCharacter(CodingErrorAction.REPORT).decode(ByteBuffer.wrap(bytes.toByteArray())).toString();
        return text.endsWith("\r") ? text.substring(0, text.length() - 1) : text;
    }

    private void readPair(String text, long line) {
        JsonNode json = JsonFiles.parse(text, path + " line " + line);
        if (!json.isObject()) {
            throw new InputException(path + " line " + line + " is not a JSON object");
        }
        JsonNode chosen = required(json, "chosen", line);
        JsonNode rejected = required(json, "rejected", line);
        JsonNode prompt = json.has("prompt") ? required(json, "prompt", line) : null;
        try {
            pairs.add(usable(prompt, chosen, rejected, line));
        } catch (Unusable e) {
            report.leaveOut(e.reason(), line);
        }
    }

    private JsonNode required(JsonNode json, String key, long line) {
        JsonNode value = json.get(key);
        if (value == null || !(value.isTextual() || value.isArray())) {
            throw new InputException(path + " line " + line + (value == null ? " lacks the key '" + key + "'"
                : ": '" + key + "' is neither text nor a list of messages"));
        }
        return value;
    }

    private PreferencePair usable(@Nullable JsonNode prompt, JsonNode chosen, JsonNode rejected, long line) throws Unusable {
        if (chosen.equals(rejected)) {
            throw new Unusable("chosen and rejected are the same");
        }
        Dialogue a = dialogue(prompt, chosen, line);
        Dialogue b = dialogue(prompt, rejected, line);
        if (!a.prompt.equals(b.prompt)) {
            throw new Unusable("chosen and rejected answer different prompts");
        }
        if (a.answer.isBlank() || b.answer.isBlank()) {
            throw new Unusable("an answer is empty");
        }
        if (a.answer.strip().equals(b.answer.strip())) {
            throw new Unusable("chosen and rejected are the same");
        }
        requireTurns(a.prompt);
        return new PreferencePair(a.prompt, a.answer.strip(), b.answer.strip(), Origin.line(path, line));
    }

    private record Dialogue(List<Message> prompt, String answer) {
    }

    private Dialogue dialogue(@Nullable JsonNode prompt, JsonNode value, long line) throws Unusable {
        if (value.isTextual() && prompt == null) {
            return splitDialogue(value.textValue());
        }
        List<Message> messages = new ArrayList<>();
        if (prompt != null) {
            messages.addAll(prompt.isTextual() ? List.of(new Message("user", prompt.textValue())) : messages(prompt, "prompt", line));
        }
        if (value.isTextual()) {
            return new Dialogue(messages, value.textValue());
        }
        messages.addAll(messages(value, "chosen or rejected", line));
        if (messages.isEmpty() || !messages.getLast().role().equals("assistant")) {
            throw new Unusable("there is no assistant's answer at the end");
        }
        String answer = messages.removeLast().content();
        return new Dialogue(messages, answer);
    }

    /** HH-RLHF: the prompt is everything before the last assistant's turn. */
    private static Dialogue splitDialogue(String text) throws Unusable {
        int last = text.lastIndexOf(ASSISTANT);
        if (last < 0) {
            throw new Unusable("there is no '\\n\\nAssistant:' in the dialogue");
        }
        String answer = text.substring(last + ASSISTANT.length());
        if (answer.contains(HUMAN)) {
            throw new Unusable("there is no assistant's answer at the end");
        }
        List<Message> messages = new ArrayList<>();
        String rest = text.substring(0, last);
        while (!rest.isEmpty()) {
            boolean human = rest.startsWith(HUMAN);
            if (!human && !rest.startsWith(ASSISTANT)) {
                throw new Unusable("the dialogue does not begin with '\\n\\nHuman:'");
            }
            int begin = (human ? HUMAN : ASSISTANT).length();
            int next = next(rest, begin);
            messages.add(new Message(human ? "user" : "assistant", rest.substring(begin, next).strip()));
            rest = rest.substring(next);
        }
        return new Dialogue(messages, answer);
    }

    private static int next(String text, int from) {
        int human = text.indexOf(HUMAN, from);
        int assistant = text.indexOf(ASSISTANT, from);
        int end = text.length();
        return Math.min(human < 0 ? end : human, assistant < 0 ? end : assistant);
    }

    private List<Message> messages(JsonNode array, String key, long line) {
        List<Message> messages = new ArrayList<>();
        for (JsonNode message : array) {
            if (!message.path("role").isTextual() || !message.path("content").isTextual()) {
                throw new InputException(
                    path + " line " + line + ": a message of '" + key + "' is not {\"role\": text, \"content\": text}");
            }
            String role = message.get("role").textValue();
            messages.add(new Message(role.equals("model") ? "assistant" : role, message.get("content").textValue()));
        }
        return messages;
    }

    private static void requireTurns(List<Message> prompt) throws Unusable {
        for (int i = 0; i < prompt.size(); i++) {
            if (prompt.get(i).role().equals("system")) {
                throw new Unusable("there is a system turn, which pairs may not have");
            }
            if (prompt.get(i).role().equals("user") != (i % 2 == 0)) {
                throw new Unusable("the turns do not alternate user, assistant, ...");
            }
            if (prompt.get(i).content().isBlank()) {
                throw new Unusable("a turn of the prompt is empty");
            }
        }
        if (prompt.isEmpty() || !prompt.getLast().role().equals("user")) {
            throw new Unusable("the prompt does not end with a user's turn");
        }
    }
}
