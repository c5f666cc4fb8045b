package io.sails4j.eval;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import org.jspecify.annotations.Nullable;

/**
 * What an arm answered to a prompt.
 *
 * @param arm its place in the list of arms
 * @param prompt its place in the list of prompts
 * @param completion the text, without control tokens
 * @param tokens that the answer has
 * @param stopped whether the model ended it, and not the number of tokens
 * @param note what an attack said of the question, null = nothing
 */
record Answer(int arm, int prompt, String completion, int tokens, boolean stopped, @Nullable ObjectNode note) {
    ObjectNode json() {
        ObjectNode json = JsonNodeFactory.instance.objectNode().put("arm", arm).put("prompt", prompt).put("completion", completion)
            .put("tokens", tokens).put("stopped", stopped);
        if (note != null) {
            json.set("attack", note);
        }
        return json;
    }

    static Answer of(JsonNode line) {
        return new Answer(line.path("arm").asInt(), line.path("prompt").asInt(), line.path("completion").asText(),
            line.path("tokens").asInt(), line.path("stopped").asBoolean(), line.get("attack") instanceof ObjectNode note ? note : null);
    }
}
