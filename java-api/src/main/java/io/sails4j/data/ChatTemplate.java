package io.sails4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.files.ForeignFile;
import io.sails4j.files.JsonFiles;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.function.Function;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/**
 * A conversation as a model's tokens, by the checkpoint's own chat template. Control tokens are the template's alone: where a message
 * spells one, the spelling is encoded as ordinary characters.
 */
public final class ChatTemplate {
    /** The checkpoint's template, or, where it has none, its family's. */
    public static final String CHECKPOINT = "checkpoint";

    private static final List<String> BUILT_IN = Arrays.stream(ControlTokens.values()).map(ControlTokens::template).toList();
    /** What stands for an answer while the template is asked how it writes one. */
    private static final String PROBE = "qzx";
    /** What stands for a text while what is around it is rendered. */
    private static final String SLOT = "qzx-slot-xzq";
    /** Private characters: one that no message has marks where a spelling of a control token is cut. */
    private static final int FIRST_BARRIER = 0xe000;
    private static final int LAST_BARRIER = 0xf8ff;

    private final Tokenizer tokenizer;
    private final JinjaTemplate template;
    private final String bos;
    private final String eos;
    private final boolean knowsSystem;
    private final Answers answers;

    /**
     * How the template writes an answer.
     *
     * @param stripped whether white space around it is taken away
     * @param end what ends it, up to the control token
     * @param fault why answers cannot be trained, null where they can
     */
    private record Answers(boolean stripped, String end, @Nullable String fault) {
    }

    /**
     * The checkpoint's template; see {@link #CHECKPOINT}.
     *
     * @throws InputException where it cannot be read or rendered
     */
    public ChatTemplate(Tokenizer tokenizer) {
        this(tokenizer, CHECKPOINT);
    }

    /**
     * A template by choice.
     *
     * @param choice {@code checkpoint}, {@code gemma2}, {@code llama3}, or the path of a Jinja file
     * @throws InputException where there is none, or one that cannot be read or rendered
     */
    public ChatTemplate(Tokenizer tokenizer, String choice) {
        this.tokenizer = tokenizer;
        Path file = tokenizer.file().toAbsolutePath();
        Path configFile = file.resolveSibling("tokenizer_config.json");
        JsonNode config = Files.exists(configFile) ? JsonFiles.read(configFile) : null;
        this.bos = token(config, "bos_token", tokenizer.control().bos());
        this.eos = token(config, "eos_token", tokenizer.control().stops().getFirst());
        this.template = switch (choice) {
            case CHECKPOINT -> ofCheckpoint(file.resolveSibling("chat_template.jinja"), configFile, config);
            default -> BUILT_IN.contains(choice) ? builtIn(choice) : new JinjaTemplate(choice, text(Path.of(choice)));
        };
        List<Message> user = List.of(new Message("user", PROBE));
        String opening = template.render(user, true, bos, eos);
        if (opening.equals(template.render(List.of(new Message("user", PROBE + " 2")), true, bos, eos))) {
            throw new InputException(template.where() + ": the chat template writes the same for every message; name another with"
                + " template=FILE");
        }
        this.knowsSystem = knowsSystem(user);
        this.answers = answers(user, opening);
    }

    private JinjaTemplate ofCheckpoint(Path file, Path configFile, @Nullable JsonNode config) {
        if (Files.exists(file)) {
            return new JinjaTemplate(file.toString(), text(file));
        }
        JsonNode node = config == null ? null : config.get("chat_template");
        if (node == null || node.isNull()) {
            return builtIn(tokenizer.control().template());
        }
        if (node.isArray()) {
            // Several by name: transformers takes the one called default.
            for (JsonNode named : node) {
                if (named.path("name").asText().equals("default") && named.path("template").isTextual()) {
                    return new JinjaTemplate(configFile.toString(), named.get("template").textValue());
                }
            }
            throw new InputException(configFile + ": 'chat_template' has no template called 'default'; name one with template=FILE");
        }
        if (!node.isTextual()) {
            throw new InputException(
                configFile + ": 'chat_template' is " + node.getNodeType() + ", expected a text or a list of templates");
        }
        return new JinjaTemplate(configFile.toString(), node.textValue());
    }

    private JinjaTemplate builtIn(String name) {
        // Spelt by a tokenizer that has not got them, the marks of turns would be plain text.
        ControlTokens.ofTemplate(name).turns().forEach(tokenizer::idOf);
        try (InputStream in = ChatTemplate.class.getResourceAsStream(name + ".jinja")) {
            return new JinjaTemplate("template " + name, new String(Objects.requireNonNull(in).readAllBytes(), StandardCharsets.UTF_8));
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static String text(Path file) {
        if (!Files.isRegularFile(file)) {
            throw new InputException(
                "there is no chat template " + file + ", expected a Jinja file, 'checkpoint' or one of " + String.join(", ", BUILT_IN));
        }
        ForeignFile.requireOwn(file);
        try {
            return Files.readString(file);
        } catch (IOException e) {
            throw new InputException(file + " cannot be read as a template: " + e.getMessage(), e);
        }
    }

    /** A token of tokenizer_config.json: a text, or an object that has one. */
    private static String token(@Nullable JsonNode config, String name, String otherwise) {
        JsonNode node = config == null ? null : config.get(name);
        if (node != null && node.path("content").isTextual()) {
            return node.get("content").textValue();
        }
        return node != null && node.isTextual() ? node.textValue() : otherwise;
    }

    private boolean knowsSystem(List<Message> user) {
        try {
            List<Message> turns = Stream.concat(Stream.of(new Message("system", "wjk")), user.stream()).toList();
            return template.render(turns, true, bos, eos).contains("wjk");
        } catch (InputException e) {
            return false;
        }
    }

    private Answers answers(List<Message> user, String opening) {
        String spaced = " \n" + PROBE + "\n ";
        String whole;
        try {
            whole = template.render(Stream.concat(user.stream(), Stream.of(new Message("assistant", spaced))).toList(), false, bos, eos);
        } catch (InputException e) {
            return new Answers(true, "", e.getMessage());
        }
        int at = whole.lastIndexOf(spaced);
        boolean stripped = at < 0;
        int begin = stripped ? whole.lastIndexOf(PROBE) : at;
        if (begin < opening.length() || !whole.substring(0, begin).equals(opening)) {
            return new Answers(stripped, "", "an answer does not follow what opens the model's turn ('" + tail(opening) + "')");
        }
        String rest = whole.substring(begin + (stripped ? PROBE : spaced).length());
        int end = tokenizer.endOfFirstControl(rest);
        return end < 0 ? new Answers(stripped, "", "no control token ends an answer; what follows one is '" + tail(rest) + "'")
            : new Answers(stripped, rest.substring(0, end), null);
    }

    private static String tail(String text) {
        return text.substring(Math.max(0, text.length() - 40)).replace("\n", "\\n");
    }

    /** Where the template comes from, for a note. */
    public String where() {
        return template.where();
    }

    /** Whether a conversation may begin with a system turn. */
    public boolean knowsSystem() {
        return knowsSystem;
    }

    /** The id of the control token that ends an answer, -1 where the template has none. */
    public int endId() {
        int[] ids = answers.end.isEmpty() ? new int[0] : tokenizer.encodeRendered(answers.end, (char) FIRST_BARRIER);
        return ids.length == 0 ? -1 : ids[ids.length - 1];
    }

    /**
     * Ids of the conversation and the opening of the model's turn: what an answer is generated from.
     *
     * @throws InputException where the conversation has no such form, or the template refuses it
     */
    public int[] prompt(List<Message> messages) {
        requireTurns(messages);
        char barrier = barrier(messages);
        List<Message> turns = new ArrayList<>();
        for (Message message : messages) {
            turns.add(new Message(message.role().equals("model") ? "assistant" : message.role(),
                tokenizer.cutControls(message.content(), barrier)));
        }
        return tokenizer.encodeRendered(template.render(turns, true, bos, eos), barrier);
    }

    /**
     * {@link #prompt} for many texts in the place of the last turn's: what stands around the text is rendered once. Templates that look
     * into the text, and do not only write it, are not seen through.
     */
    public Function<String, int[]> promptsOfLastTurn(List<Message> messages) {
        requireTurns(messages);
        Function<String, List<Message>> turns = text -> {
            List<Message> all = new ArrayList<>(messages);
            all.set(all.size() - 1, new Message(messages.getLast().role(), text));
            return all;
        };
        char barrier = barrier(messages);
        List<Message> cut = turns.apply(SLOT).stream()
            .map(turn -> new Message(turn.role().equals("model") ? "assistant" : turn.role(),
                tokenizer.cutControls(turn.content(), barrier)))
            .toList();
        String whole = template.render(cut, true, bos, eos);
        int at = whole.indexOf(SLOT);
        if (at < 0 || at != whole.lastIndexOf(SLOT)) {
            return text -> prompt(turns.apply(text));
        }
        String before = whole.substring(0, at);
        String after = whole.substring(at + SLOT.length());
        // Templates strip white space, and a barrier in the text would be taken for a cut.
        return text -> !text.equals(PythonText.strip(text)) || text.indexOf(barrier) >= 0 ? prompt(turns.apply(text))
            : tokenizer.encodeRendered(before + tokenizer.cutControls(text, barrier) + after, barrier);
    }

    /**
     * The tokens of a model's answer that training counts: the text and what ends it.
     *
     * @throws InputException where the template has no end of an answer, or writes one elsewhere than behind the opening
     */
    public int[] answer(String text) {
        if (answers.fault != null) {
            throw new InputException(template.where() + ": the chat template cannot be trained with: " + answers.fault
                + "; name another with template=FILE, gemma2 or llama3");
        }
        int[] content = tokenizer.encodeText(answers.stripped ? PythonText.strip(text) : text);
        int[] end = tokenizer.encodeRendered(answers.end, (char) FIRST_BARRIER);
        int[] ids = Arrays.copyOf(content, content.length + end.length);
        System.arraycopy(end, 0, ids, content.length, end.length);
        return ids;
    }

    private static char barrier(List<Message> messages) {
        for (int c = FIRST_BARRIER; c <= LAST_BARRIER; c++) {
            int candidate = c;
            if (messages.stream().noneMatch(message -> message.content().indexOf(candidate) >= 0)) {
                return (char) c;
            }
        }
        throw new InputException("the conversation has every private character of Unicode, expected one that is free");
    }

    private void requireTurns(List<Message> messages) {
        int first = knowsSystem && !messages.isEmpty() && messages.getFirst().role().equals("system") ? 1 : 0;
        if (messages.size() == first) {
            throw new InputException("the conversation is empty, expected at least one user turn");
        }
        for (int i = first; i < messages.size(); i++) {
            requireTurn(messages.get(i).role(), i, (i - first) % 2 == 0);
        }
        if (!messages.getLast().role().equals("user")) {
            throw new InputException("the last turn has the role '" + messages.getLast().role() + "', expected 'user'");
        }
    }

    private void requireTurn(String role, int i, boolean userExpected) {
        if (role.equals("system")) {
            throw new InputException("turn " + (i + 1) + " has the role 'system', which "
                + (knowsSystem ? "may only stand first"
                    : "the model's chat template does not know; put its text into the first user turn"));
        }
        boolean user = role.equals("user");
        if (!user && !role.equals("assistant") && !role.equals("model")) {
            throw new InputException("turn " + (i + 1) + " has the role '" + role + "', expected user or assistant");
        }
        if (user != userExpected) {
            throw new InputException("turn " + (i + 1) + " has the role '" + role
                + "', but turns must alternate user, assistant, user, ... and begin with user");
        }
    }
}
