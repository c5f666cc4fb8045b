package io.sails4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Makes a pair of a record whose format is known, or says why it cannot be used. */
final class PairReader {
    /** What is used, but should not pass without a word. */
    static final String UNSAFE = "the aligned answer is marked as unsafe itself, though safer than the other";

    private PairReader() {
    }

    /**
     * A pair and what is to be said about it.
     *
     * @param remark null where there is nothing
     */
    record Read(PreferencePair pair, @Nullable String remark) {
    }

    /** Two dialogues as they stand in a record. */
    private record Sides(HhDialogue chosen, HhDialogue rejected, @Nullable String remark) {
        static Sides of(List<Message> prompt, String chosen, String rejected) {
            return new Sides(new HhDialogue(prompt, chosen), new HhDialogue(prompt, rejected), null);
        }
    }

    static Read read(DataFormat format, JsonNode json, Origin origin) throws Unusable {
        Sides sides = sides(format, json);
        if (!sides.chosen.prompt().equals(sides.rejected.prompt())) {
            throw new Unusable("chosen and rejected answer different prompts");
        }
        List<Message> prompt = withSystem(json, sides.chosen.prompt());
        String chosen = PythonText.strip(sides.chosen.answer());
        String rejected = PythonText.strip(sides.rejected.answer());
        if (chosen.isEmpty() || rejected.isEmpty()) {
            throw new Unusable("an answer is empty");
        }
        if (chosen.equals(rejected)) {
            throw new Unusable("chosen and rejected are the same");
        }
        requireText(chosen, "an answer");
        requireText(rejected, "an answer");
        requireTurns(prompt);
        requireNoTemplate(prompt, List.of(chosen, rejected));
        return new Read(new PreferencePair(prompt, chosen, rejected, origin), sides.remark);
    }

    private static Sides sides(DataFormat format, JsonNode json) throws Unusable {
        return switch (format) {
            case HH -> dialogues(json);
            case FULL_HH -> Sides.of(HhDialogue.promptTurns(text(json, "prompt")), text(json, "chosen"), text(json, "rejected"));
            case TRL_TEXT -> Sides.of(List.of(user(text(json, "prompt"))), text(json, "chosen"), text(json, "rejected"));
            case ORCA -> Sides.of(List.of(user(text(json, "question"))), text(json, "chosen"), text(json, "rejected"));
            case MESSAGES_AND_TEXT -> Sides.of(MessageList.of(json.get("prompt"), "prompt"), text(json, "chosen"), text(json, "rejected"));
            case TRL_MESSAGES -> messages(json, MessageList.of(json.get("prompt"), "prompt"));
            case SHAREGPT -> messages(json, MessageList.of(json.get("conversations"), "conversations"));
            case IMPLICIT -> messages(json, List.of());
            case ULTRAFEEDBACK -> besideText(json);
            case PKU_SAFER, PKU_BETTER -> responses(json, format == DataFormat.PKU_SAFER);
        };
    }

    private static Message user(String text) {
        return new Message("user", PythonText.strip(text));
    }

    private static String text(JsonNode json, String field) throws Unusable {
        JsonNode value = json.path(field);
        if (!value.isTextual()) {
            throw new Unusable(value.isMissingNode() ? "it lacks '" + field + "'" : "'" + field + "' is not text");
        }
        return value.textValue();
    }

    private static Sides dialogues(JsonNode json) throws Unusable {
        Sides sides = new Sides(HhDialogue.split(text(json, "chosen")), HhDialogue.split(text(json, "rejected")), null);
        String prompt = FormatFinder.has(json, "prompt") ? text(json, "prompt") : "";
        if (!PythonText.isBlank(prompt)) {
            if (HhDialogue.hasMarker(prompt) || HhDialogue.isDialogue(prompt)) {
                requirePrompt(HhDialogue.promptTurns(prompt).equals(sides.chosen.prompt()));
            } else {
                requirePrompt(asks(sides.chosen.prompt(), prompt));
            }
        }
        return sides;
    }

    /** Whether a text is the first or the last question of a dialogue: files have either as the prompt. */
    private static boolean asks(List<Message> turns, String prompt) {
        List<Message> asked = turns.stream().filter(m -> m.role().equals("user")).toList();
        return !asked.isEmpty() && (asked.getFirst().equals(user(prompt)) || asked.getLast().equals(user(prompt)));
    }

    private static void requirePrompt(boolean fits) throws Unusable {
        if (!fits) {
            throw new Unusable("'prompt' is not what the dialogues begin with");
        }
    }

    private static Sides besideText(JsonNode json) throws Unusable {
        String prompt = text(json, "prompt");
        List<Message> chosen = MessageList.of(json.get("chosen"), "chosen");
        if (!chosen.isEmpty() && chosen.getFirst().role().equals("assistant")) {
            return messages(json, List.of(user(prompt)));
        }
        Sides sides = messages(json, List.of());
        requirePrompt(asks(sides.chosen.prompt(), prompt));
        return sides;
    }

    private static Sides messages(JsonNode json, List<Message> prompt) throws Unusable {
        return new Sides(dialogue(prompt, MessageList.of(json.get("chosen"), "chosen")),
            dialogue(prompt, MessageList.of(json.get("rejected"), "rejected")), null);
    }

    /** The prompt and what follows it; or a whole dialogue that begins with the prompt. */
    private static HhDialogue dialogue(List<Message> prompt, List<Message> messages) throws Unusable {
        boolean whole = messages.size() > prompt.size() && messages.subList(0, prompt.size()).equals(prompt);
        List<Message> all = new ArrayList<>(whole ? List.of() : prompt);
        all.addAll(messages);
        if (messages.isEmpty() || !all.getLast().role().equals("assistant")) {
            throw new Unusable("there is no assistant's answer at the end");
        }
        String answer = all.removeLast().content();
        return new HhDialogue(all, answer);
    }

    private static Sides responses(JsonNode json, boolean safer) throws Unusable {
        int aligned = safer ? safer(json) : id(json, "better_response_id");
        Sides sides = Sides.of(List.of(user(text(json, "prompt"))), text(json, "response_" + aligned),
            text(json, "response_" + (1 - aligned)));
        JsonNode safe = json.path("is_response_" + aligned + "_safe");
        return new Sides(sides.chosen, sides.rejected, safe.isBoolean() && !safe.booleanValue() ? UNSAFE : null);
    }

    private static int safer(JsonNode json) throws Unusable {
        JsonNode safe0 = json.path("is_response_0_safe");
        JsonNode safe1 = json.path("is_response_1_safe");
        boolean marked = safe0.isBoolean() && safe1.isBoolean() && safe0.booleanValue() != safe1.booleanValue();
        int safe = safe0.asBoolean() ? 0 : 1;
        if (!FormatFinder.has(json, "safer_response_id")) {
            if (!marked) {
                throw new Unusable("nothing says which answer is the safer one");
            }
            return safe;
        }
        int id = id(json, "safer_response_id");
        if (marked && id != safe) {
            throw new Unusable("'safer_response_id' and 'is_response_N_safe' contradict each other");
        }
        return id;
    }

    private static int id(JsonNode json, String field) throws Unusable {
        JsonNode id = json.path(field);
        if (!id.isIntegralNumber() || !id.canConvertToInt() || id.intValue() != 0 && id.intValue() != 1) {
            throw new Unusable("'" + field + "' is neither 0 nor 1");
        }
        return id.intValue();
    }

    /** A field {@code system} is the system turn, whatever the format of the rest. */
    private static List<Message> withSystem(JsonNode json, List<Message> prompt) throws Unusable {
        String system = FormatFinder.has(json, "system") ? PythonText.strip(text(json, "system")) : "";
        if (system.isEmpty()) {
            return prompt;
        }
        Message first = new Message("system", system);
        if (!prompt.isEmpty() && prompt.getFirst().role().equals("system")) {
            if (!prompt.getFirst().equals(first)) {
                throw new Unusable("'system' and the system turn of the prompt differ");
            }
            return prompt;
        }
        List<Message> all = new ArrayList<>(List.of(first));
        all.addAll(prompt);
        return all;
    }

    private static void requireTurns(List<Message> prompt) throws Unusable {
        int first = !prompt.isEmpty() && prompt.getFirst().role().equals("system") ? 1 : 0;
        for (int i = 0; i < prompt.size(); i++) {
            Message turn = prompt.get(i);
            if (i >= first && turn.role().equals("system")) {
                throw new Unusable("a system turn is not the first turn");
            }
            if (i >= first && turn.role().equals("user") != ((i - first) % 2 == 0)) {
                throw new Unusable("the turns do not alternate user, assistant, ...");
            }
            if (turn.content().isEmpty()) {
                throw new Unusable("a turn of the prompt is empty");
            }
            requireText(turn.content(), "a turn of the prompt");
        }
        if (prompt.isEmpty() || !prompt.getLast().role().equals("user")) {
            throw new Unusable("the prompt does not end with a user's turn");
        }
    }

    /** Texts that a chat template was put around already: its marks would be trained as text. */
    private static void requireNoTemplate(List<Message> prompt, List<String> answers) throws Unusable {
        for (Message turn : prompt) {
            requireNoMark(TurnMarks.in(turn.content()), "a turn of the prompt");
        }
        requireNoMark(TurnMarks.openedBy(prompt.getLast().content()), "the prompt's end");
        for (String answer : answers) {
            requireNoMark(TurnMarks.in(answer), "an answer");
            requireNoMark(TurnMarks.endedBy(answer), "an answer's end");
        }
    }

    private static void requireNoMark(@Nullable String mark, String where) throws Unusable {
        if (mark != null) {
            throw new Unusable(where + " has '" + mark + "', a mark of a chat template, which would be trained as text");
        }
    }

    private static void requireText(String text, String what) throws Unusable {
        if (HhDialogue.hasMarker(text)) {
            throw new Unusable(what + " has '\\n\\nHuman:' or '\\n\\nAssistant:' inside, which would be trained as text");
        }
        if (Surrogates.firstLone(text) >= 0) {
            throw new Unusable(what + " has half a character (a lone surrogate)");
        }
    }
}
