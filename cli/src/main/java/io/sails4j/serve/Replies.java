package io.sails4j.serve;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.monitor.MonitorEvent;
import io.sails4j.serving.Ending;
import io.sails4j.serving.TextAnswer;
import java.util.List;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * The bodies of one answer, whole or in pieces, as OpenAI's interface has them.
 *
 * @param chat whether a conversation is answered; else a text is continued
 * @param id of the answer
 * @param model as the client called it
 * @param created seconds since 1970
 */
record Replies(boolean chat, String id, String model, long created) {
    private ObjectNode root(String object) {
        return JsonNodeFactory.instance.objectNode().put("id", id).put("object", object).put("created", created).put("model", model);
    }

    ObjectNode whole(TextAnswer answer, String text, Ending ending) {
        ObjectNode root = root(chat ? "chat.completion" : "text_completion");
        ObjectNode choice = root.putArray("choices").addObject().put("index", 0);
        if (chat) {
            choice.putObject("message").put("role", "assistant").put("content", text).putNull("refusal");
        } else {
            choice.put("text", text);
        }
        choice.putNull("logprobs").put("finish_reason", reason(ending));
        root.set("usage", usage(answer));
        extras(root, ending, answer.completion().events());
        return root;
    }

    /**
     * A piece of a stream.
     *
     * @param text of the piece; null for the one that only opens or ends
     * @param events of the monitor that no piece has told yet
     */
    ObjectNode piece(@Nullable String text, boolean first, @Nullable Ending ending, List<MonitorEvent> events) {
        ObjectNode root = root(chat ? "chat.completion.chunk" : "text_completion");
        ObjectNode choice = root.putArray("choices").addObject().put("index", 0);
        if (chat) {
            ObjectNode delta = choice.putObject("delta");
            if (first) {
                delta.put("role", "assistant");
            }
            if (text != null) {
                delta.put("content", text);
            }
        } else {
            choice.put("text", text == null ? "" : text);
        }
        choice.putNull("logprobs").put("finish_reason", ending == null ? null : reason(ending));
        if (ending != null || !events.isEmpty()) {
            extras(root, ending, events);
        }
        return root;
    }

    /** The last piece of a stream that was asked for it. */
    ObjectNode usagePiece(TextAnswer answer) {
        ObjectNode root = root(chat ? "chat.completion.chunk" : "text_completion");
        root.putArray("choices");
        root.set("usage", usage(answer));
        return root;
    }

    private static ObjectNode usage(TextAnswer answer) {
        ObjectNode usage = JsonNodeFactory.instance.objectNode().put("prompt_tokens", answer.promptTokens())
            .put("completion_tokens", answer.tokens()).put("total_tokens", answer.promptTokens() + answer.tokens());
        usage.putObject("prompt_tokens_details").put("cached_tokens", answer.completion().sharedTokens());
        return usage;
    }

    /** OpenAI's interface has no word for an answer whose time was over. */
    private static String reason(Ending ending) {
        return switch (ending.finish()) {
            case STOP -> "stop";
            case MONITOR -> "content_filter";
            default -> "length";
        };
    }

    private static void extras(ObjectNode root, @Nullable Ending ending, List<MonitorEvent> events) {
        ObjectNode sails = root.putObject("sails");
        if (ending != null) {
            sails.put("finish", ending.finish().name().toLowerCase(Locale.ROOT));
        }
        if (!events.isEmpty()) {
            ArrayNode all = sails.putArray("events");
            events.forEach(event -> all.add(event.json().put("sentence", event.sentence())));
        }
    }
}
