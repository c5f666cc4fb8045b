package io.sails4j.serve;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.NullNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.monitor.MonitorEvent;
import io.sails4j.serving.Ending;
import io.sails4j.serving.TextAnswer;
import java.nio.charset.StandardCharsets;
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
    private static final char UNKNOWN = '\ufffd';
    private static final double LEAST_LOGPROB = -9999;

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
        choice.set("logprobs", logprobs(answer, 0));
        choice.put("finish_reason", reason(ending));
        root.set("usage", usage(answer));
        extras(root, ending, answer.completion().events());
        return root;
    }

    /**
     * A piece of a stream.
     *
     * @param text of the piece; null for the one that only opens or ends
     * @param ending of the answer, null where it goes on
     * @param told what the pieces before have told
     */
    ObjectNode piece(TextAnswer answer, @Nullable String text, @Nullable Ending ending, Told told) {
        ObjectNode root = root(chat ? "chat.completion.chunk" : "text_completion");
        ObjectNode choice = root.putArray("choices").addObject().put("index", 0);
        if (chat) {
            ObjectNode delta = choice.putObject("delta");
            if (told.pieces++ == 0) {
                delta.put("role", "assistant");
            }
            if (text != null) {
                delta.put("content", text);
            }
        } else {
            choice.put("text", text == null ? "" : text);
        }
        choice.set("logprobs", logprobs(answer, told.tokens));
        told.tokens = answer.tokens();
        choice.put("finish_reason", ending == null ? null : reason(ending));
        List<MonitorEvent> all = answer.completion().events();
        List<MonitorEvent> events = all.subList(told.events, all.size());
        told.events = all.size();
        if (ending != null || !events.isEmpty()) {
            extras(root, ending, events);
        }
        return root;
    }

    /** How far the pieces of a stream have told what there is to tell. */
    static final class Told {
        private int pieces;
        private int tokens;
        private int events;
    }

    /** Log probabilities of the tokens from a number on, in the form of either interface; null where nobody asked for them. */
    private JsonNode logprobs(TextAnswer answer, int from) {
        if (answer.completion().request().watch().topLogprobs() < 0) {
            return NullNode.getInstance();
        }
        List<TextAnswer.Logprob> tokens = answer.logprobs(from);
        ObjectNode json = JsonNodeFactory.instance.objectNode();
        if (chat) {
            ArrayNode content = json.putArray("content");
            for (TextAnswer.Logprob token : tokens) {
                ArrayNode top = described(content.addObject(), token).putArray("top_logprobs");
                token.top().forEach(other -> described(top.addObject(), other));
            }
            return json.putNull("refusal");
        }
        ArrayNode names = json.putArray("tokens");
        ArrayNode values = json.putArray("token_logprobs");
        ArrayNode tops = json.putArray("top_logprobs");
        for (TextAnswer.Logprob token : tokens) {
            names.add(token.token());
            values.add(finite(token.logprob()));
            ObjectNode top = tops.addObject();
            token.top().forEach(other -> top.put(other.token(), finite(other.logprob())));
        }
        return json;
    }

    private static ObjectNode described(ObjectNode json, TextAnswer.Logprob token) {
        json.put("token", token.token()).put("logprob", finite(token.logprob()));
        if (token.token().indexOf(UNKNOWN) >= 0) {
            // Half a character: its bytes are not in the text.
            return json.putNull("bytes");
        }
        ArrayNode bytes = json.putArray("bytes");
        for (byte b : token.token().getBytes(StandardCharsets.UTF_8)) {
            bytes.add(b & 0xff);
        }
        return json;
    }

    /** JSON has no infinity; OpenAI's interface says -9999. */
    private static double finite(double logprob) {
        return Math.max(logprob, LEAST_LOGPROB);
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
