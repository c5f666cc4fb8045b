package io.sails4j.eval;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
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
 * @param events what the monitor said while prompt and answer were read, null = nobody watched
 */
record Answer(int arm, int prompt, String completion, int tokens, boolean stopped, @Nullable ObjectNode note,
    @Nullable List<JsonNode> events) {
    ObjectNode json() {
        ObjectNode json = JsonNodeFactory.instance.objectNode().put("arm", arm).put("prompt", prompt).put("completion", completion)
            .put("tokens", tokens).put("stopped", stopped);
        if (note != null) {
            json.set("attack", note);
        }
        writeEvents(json);
        return json;
    }

    static Answer of(JsonNode line) {
        return new Answer(line.path("arm").asInt(), line.path("prompt").asInt(), line.path("completion").asText(),
            line.path("tokens").asInt(), line.path("stopped").asBoolean(), line.get("attack") instanceof ObjectNode note ? note : null,
            events(line.get("monitor")));
    }

    private static @Nullable List<JsonNode> events(@Nullable JsonNode given) {
        if (given == null) {
            return null;
        }
        List<JsonNode> events = new ArrayList<>();
        given.forEach(events::add);
        return events;
    }

    /** Adds {@code monitor} to a line, where somebody watched. */
    void writeEvents(ObjectNode line) {
        if (events != null) {
            line.putArray("monitor").addAll(events);
        }
    }

    /**
     * Whether an alarm began.
     *
     * @param rule null = of any rule
     * @param part {@code prompt} or {@code answer}
     */
    boolean alarmed(@Nullable String rule, String part) {
        return events != null && events.stream().anyMatch(event -> event.path("begins").asBoolean()
            && !event.path("action").asText().equals("log") && event.path("part").asText().equals(part)
            && (rule == null || event.path("rule").asText().equals(rule)));
    }
}
