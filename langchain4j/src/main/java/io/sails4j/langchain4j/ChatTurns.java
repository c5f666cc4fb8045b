package io.sails4j.langchain4j;

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.Content;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.UnsupportedFeatureException;
import io.sails4j.data.Message;
import java.util.ArrayList;
import java.util.List;

/**
 * LangChain4j's messages as turns of a conversation: text alone. Attributes and thinking stay out, as with other models of LangChain4j;
 * what else is no text is refused by its name.
 */
final class ChatTurns {
    private ChatTurns() {
    }

    /** @throws UnsupportedFeatureException where a message is more than text */
    static List<Message> of(List<ChatMessage> messages) {
        List<Message> turns = new ArrayList<>();
        for (ChatMessage message : messages) {
            turns.add(turn(message, "message " + (turns.size() + 1)));
        }
        return turns;
    }

    private static Message turn(ChatMessage message, String where) {
        return switch (message) {
            case SystemMessage system -> new Message("system", system.text());
            case UserMessage user -> new Message("user", text(user, where));
            case AiMessage ai -> answer(ai, where);
            default -> throw new UnsupportedFeatureException(
                where + " is a " + message.getClass().getSimpleName() + ", expected turns of system, user and assistant");
        };
    }

    /** The turn of an answer. */
    static Message answer(AiMessage ai, String where) {
        if (ai.hasToolExecutionRequests()) {
            throw new UnsupportedFeatureException(where + " asks for tools, which this model does not know");
        }
        if (ai.text() == null) {
            throw new UnsupportedFeatureException(where + " is an AiMessage without a text, expected one");
        }
        return new Message("assistant", ai.text());
    }

    private static String text(UserMessage user, String where) {
        if (user.name() != null) {
            throw new UnsupportedFeatureException(
                where + " has the name '" + user.name() + "', which chat templates do not know; leave it out");
        }
        StringBuilder text = new StringBuilder();
        for (Content content : user.contents()) {
            if (!(content instanceof TextContent part)) {
                throw new UnsupportedFeatureException(where + " has " + content.getClass().getSimpleName() + ", expected text alone");
            }
            text.append(part.text());
        }
        return text.toString();
    }
}
