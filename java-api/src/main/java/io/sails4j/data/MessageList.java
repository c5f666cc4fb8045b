package io.sails4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;

/** Messages in JSON: {@code {"role", "content"}} as TRL has them, or {@code {"from", "value"}} as ShareGPT. */
final class MessageList {
    private MessageList() {
    }

    /** A list of messages, or one alone; contents are stripped as a chat template strips them. */
    static List<Message> of(JsonNode value, String field) throws Unusable {
        if (!value.isArray()) {
            return List.of(message(value, field));
        }
        List<Message> messages = new ArrayList<>();
        for (JsonNode message : value) {
            messages.add(message(message, field));
        }
        return messages;
    }

    private static Message message(JsonNode message, String field) throws Unusable {
        boolean shareGpt = message.has("from") && !message.has("role");
        JsonNode role = message.path(shareGpt ? "from" : "role");
        JsonNode content = message.path(shareGpt ? "value" : "content");
        if (!role.isTextual() || !content.isTextual()) {
            throw new Unusable(
                "a message of '" + field + "' is not {\"role\": text, \"content\": text} or {\"from\": text, \"value\": text}");
        }
        for (String call : new String[] {"tool_calls", "function_call"}) {
            if (message.hasNonNull(call) && !message.get(call).isEmpty()) {
                throw new Unusable("a message of '" + field + "' has '" + call + "', and no template here writes calls of tools");
            }
        }
        return new Message(role(role.textValue()), PythonText.strip(content.textValue()));
    }

    private static String role(String name) throws Unusable {
        return switch (name) {
            case "system" -> "system";
            case "user", "human" -> "user";
            case "assistant", "model", "gpt" -> "assistant";
            default -> throw new Unusable("a message has the role '" + (name.matches("[\\w-]{1,20}") ? name : "...")
                + "', expected system, user (human) or assistant (gpt, model)");
        };
    }
}
