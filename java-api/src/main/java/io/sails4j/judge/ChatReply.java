package io.sails4j.judge;

import com.fasterxml.jackson.databind.JsonNode;
import org.jspecify.annotations.Nullable;

/**
 * What a server's model said.
 *
 * @param content the text, null where there is none
 * @param refusal OpenAI's field for a model that does not do what it is asked, null where it is not there
 * @param finishReason why the text ends: {@code stop}, {@code length}, {@code content_filter}, …
 */
record ChatReply(@Nullable String content, @Nullable String refusal, String finishReason) implements ChatOutcome {
    /** Of the first of a reply's choices. */
    static ChatReply of(JsonNode choice) {
        JsonNode message = choice.path("message");
        return new ChatReply(text(message.path("content")), text(message.path("refusal")), choice.path("finish_reason").asText("none"));
    }

    /** A text, or the texts of a list of parts. */
    private static @Nullable String text(JsonNode node) {
        if (node.isArray()) {
            StringBuilder parts = new StringBuilder();
            node.forEach(part -> parts.append(part.path("text").asText("")));
            return parts.toString();
        }
        return node.isTextual() ? node.textValue() : null;
    }
}
