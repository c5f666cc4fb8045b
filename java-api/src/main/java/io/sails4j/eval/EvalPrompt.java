package io.sails4j.eval;

import io.sails4j.data.Message;
import io.sails4j.data.Origin;
import io.sails4j.data.Wanted;
import java.util.List;

/**
 * A prompt with what is known of it.
 *
 * @param id that the file gives it, else its number in the file
 * @param messages turns that end with the user's
 * @param category of its file; where there is none, the file's name
 * @param wanted what a good model does with it
 * @param origin where it stands
 * @param target how an answer begins that gives what a harmful prompt asks for, empty where the file does not say it
 */
public record EvalPrompt(String id, List<Message> messages, String category, Wanted wanted, Origin origin, String target) {
    public EvalPrompt {
        messages = List.copyOf(messages);
        if (messages.isEmpty()) {
            throw new IllegalArgumentException("a prompt needs a message");
        }
    }

    /** A prompt of which nobody says how a harmful answer begins. */
    public EvalPrompt(String id, List<Message> messages, String category, Wanted wanted, Origin origin) {
        this(id, messages, category, wanted, origin, "");
    }

    /** What the user asked last, which is what a judge sees. */
    public String request() {
        return messages.getLast().content();
    }

    EvalPrompt wanting(Wanted other) {
        return new EvalPrompt(id, messages, category, other, origin, target);
    }
}
