package io.sails4j.data;

import java.util.ArrayList;
import java.util.List;
import java.util.regex.Pattern;

/**
 * Dialogues as HH-RLHF writes them, in one text: {@code \n\nHuman: ... \n\nAssistant: ...}.
 *
 * @param prompt everything before the last assistant's turn
 * @param answer the last assistant's turn
 */
record HhDialogue(List<Message> prompt, String answer) {
    private static final String HUMAN = "\n\nHuman:";
    private static final String ASSISTANT = "\n\nAssistant:";
    /** What is not split at, but looks like it: files that went through an editor have other line ends. */
    private static final Pattern MARKER = Pattern.compile("(?:\r?\n){2}(?:Human|Assistant):");

    /** Whether a text has a marker of a turn, which must not be trained as text. */
    static boolean hasMarker(String text) {
        return MARKER.matcher(text).find();
    }

    /** Whether a text begins as a dialogue and has an assistant's turn. */
    static boolean isDialogue(String text) {
        return withLineEnds(text).startsWith(HUMAN) && text.contains(ASSISTANT);
    }

    /** Some files lost the two line ends at the beginning. */
    private static String withLineEnds(String text) {
        return text.startsWith("Human:") ? "\n\n" + text : text;
    }

    /** A whole dialogue, which ends with the assistant's answer. */
    static HhDialogue split(String dialogue) throws Unusable {
        String text = withLineEnds(dialogue);
        int last = text.lastIndexOf(ASSISTANT);
        if (last < 0) {
            throw new Unusable("there is no '\\n\\nAssistant:' in the dialogue");
        }
        String answer = text.substring(last + ASSISTANT.length());
        if (answer.contains(HUMAN)) {
            throw new Unusable("there is no assistant's answer at the end");
        }
        return new HhDialogue(turns(text.substring(0, last)), answer);
    }

    /** A prompt of full-hh-rlhf: a dialogue that ends in {@code \n\nAssistant:}, where the answer begins. */
    static List<Message> promptTurns(String prompt) throws Unusable {
        String text = withLineEnds(prompt);
        int last = text.lastIndexOf(ASSISTANT);
        boolean open = last >= 0 && PythonText.isBlank(text.substring(last + ASSISTANT.length()));
        return turns(open ? text.substring(0, last) : text);
    }

    private static List<Message> turns(String text) throws Unusable {
        List<Message> messages = new ArrayList<>();
        String rest = text;
        while (!rest.isEmpty()) {
            boolean human = rest.startsWith(HUMAN);
            if (!human && !rest.startsWith(ASSISTANT)) {
                throw new Unusable("the dialogue does not begin with '\\n\\nHuman:'");
            }
            int begin = (human ? HUMAN : ASSISTANT).length();
            int next = next(rest, begin);
            messages.add(new Message(human ? "user" : "assistant", PythonText.strip(rest.substring(begin, next))));
            rest = rest.substring(next);
        }
        return messages;
    }

    private static int next(String text, int from) {
        int human = text.indexOf(HUMAN, from);
        int assistant = text.indexOf(ASSISTANT, from);
        int end = text.length();
        return Math.min(human < 0 ? end : human, assistant < 0 ? end : assistant);
    }
}
