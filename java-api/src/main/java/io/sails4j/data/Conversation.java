package io.sails4j.data;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.files.JsonFiles;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Conversations in files: a JSON list of messages, or an object with such a list called {@code messages}. */
public final class Conversation {
    private Conversation() {
    }

    /**
     * Reads the messages of a file.
     *
     * @return {@code [{"role": text, "content": text}, ...]} in order
     * @throws InputException where the file has no such form
     */
    public static List<Message> read(Path file) {
        JsonNode root = JsonFiles.read(file);
        JsonNode list = root.isObject() ? root.path("messages") : root;
        if (!list.isArray() || list.isEmpty()) {
            throw new InputException(file + " has no messages, expected [{\"role\": \"user\", \"content\": \"...\"}, ...]");
        }
        return of(list, file.toString());
    }

    /**
     * The messages of a JSON list, in order.
     *
     * @param where it stands, for people
     * @throws InputException where one is not {@code {"role": text, "content": text}}
     */
    public static List<Message> of(JsonNode list, String where) {
        List<Message> messages = new ArrayList<>();
        for (JsonNode message : list) {
            if (!message.path("role").isTextual() || !message.path("content").isTextual()) {
                throw new InputException(
                    where + ": message " + (messages.size() + 1) + " is not {\"role\": text, \"content\": text}");
            }
            messages.add(new Message(message.get("role").textValue(), message.get("content").textValue()));
        }
        return messages;
    }
}
