package io.sails4j.serve;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.data.Message;
import io.sails4j.http.HttpAnswers;
import io.sails4j.serving.TextRequest;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ThreadLocalRandom;

/**
 * A request's body: {@code /v1/chat/completions} and {@code /v1/completions} of OpenAI's interface (platform.openai.com/docs/api-reference,
 * 2025). What would change an answer and is not known here is refused, and never passed over.
 *
 * @param stream whether the answer is wanted in pieces
 * @param usage whether a stream ends with what was used
 */
record AskedText(TextRequest request, boolean stream, boolean usage) {
    /** They change nothing about the answer. */
    private static final Set<String> PASSED_OVER = Set.of("user", "metadata", "store", "service_tier", "safety_identifier",
        "prompt_cache_key", "parallel_tool_calls", "prompt_cache_retention");
    private static final Set<String> KNOWN = Set.of("model", "temperature", "top_p", "top_k", "seed", "stop", "stream", "stream_options",
        "max_tokens", "max_completion_tokens", "logprobs", "top_logprobs");
    /** They would change it, unless they have this value or none. */
    private static final Map<String, String> NEUTRAL = Map.ofEntries(Map.entry("n", "1"), Map.entry("best_of", "1"),
        Map.entry("frequency_penalty", "0"), Map.entry("presence_penalty", "0"), Map.entry("logit_bias", "{}"),
        Map.entry("echo", "false"), Map.entry("tools", "[]"), Map.entry("functions", "[]"),
        Map.entry("tool_choice", "\"none\""), Map.entry("function_call", "\"none\""), Map.entry("suffix", "\"\""),
        Map.entry("response_format", "{\"type\":\"text\"}"), Map.entry("modalities", "[\"text\"]"));
    private static final double MOST_TEMPERATURE = 2;
    private static final int MOST_LOGPROBS = 20;

    static AskedText chat(JsonNode body, Duration timeLimit) {
        requireKnown(body, "messages");
        JsonNode list = body.path("messages");
        if (!list.isArray() || list.isEmpty()) {
            throw HttpFailure.wrong("messages", "messages is " + kind(list) + ", expected a list of {\"role\": ..., \"content\": ...}");
        }
        List<Message> messages = new ArrayList<>();
        for (JsonNode message : list) {
            messages.add(message(message, "messages[" + messages.size() + "]"));
        }
        boolean logprobs = flag(body, "logprobs");
        if (body.hasNonNull("top_logprobs") && !logprobs) {
            throw HttpFailure.wrong("top_logprobs", "top_logprobs is " + shown(body.get("top_logprobs"))
                + " and logprobs is not true, expected both or neither");
        }
        int top = logprobs ? (int) integer(body, "top_logprobs", 0, 0, MOST_LOGPROBS) : -1;
        return with(TextRequest.chat(messages), body, timeLimit, top);
    }

    static AskedText continuation(JsonNode body, Duration timeLimit) {
        requireKnown(body, "prompt");
        JsonNode prompt = body.path("prompt");
        JsonNode text = prompt.isArray() && prompt.size() == 1 ? prompt.get(0) : prompt;
        if (!text.isTextual()) {
            throw HttpFailure.wrong("prompt", "prompt is " + kind(prompt) + ", expected one text");
        }
        if (body.hasNonNull("top_logprobs")) {
            throw HttpFailure.wrong("top_logprobs", "top_logprobs belongs to /v1/chat/completions; here logprobs is the number");
        }
        // Some clients send false for none.
        boolean none = body.path("logprobs").isBoolean() && !body.path("logprobs").booleanValue();
        return with(TextRequest.continuation(text.textValue()), body, timeLimit,
            none ? -1 : (int) integer(body, "logprobs", -1, 0, MOST_LOGPROBS));
    }

    private static AskedText with(TextRequest request, JsonNode body, Duration timeLimit, int topLogprobs) {
        long seed = body.hasNonNull("seed") ? integer(body, "seed", 0, Long.MIN_VALUE, Long.MAX_VALUE)
            : ThreadLocalRandom.current().nextLong();
        TextRequest.Sampling sampling = new TextRequest.Sampling(number(body, "temperature", 1, 0, MOST_TEMPERATURE),
            (int) integer(body, "top_k", 0, 0, Integer.MAX_VALUE), topP(body), seed);
        String longest = body.hasNonNull("max_completion_tokens") ? "max_completion_tokens" : "max_tokens";
        TextRequest.Limits limits = new TextRequest.Limits((int) integer(body, longest, 0, 1, Integer.MAX_VALUE), stops(body), timeLimit);
        String model = body.hasNonNull("model") ? text(body.get("model"), "model") : "";
        boolean stream = flag(body, "stream");
        return new AskedText(request.with(r -> {
            r.model = model;
            r.sampling = sampling;
            r.limits = limits;
            r.watch = new TextRequest.Watch(null, topLogprobs);
        }), stream, flag(body.path("stream_options"), "include_usage"));
    }

    private static double topP(JsonNode body) {
        double topP = number(body, "top_p", 1, 0, 1);
        if (topP == 0) {
            throw HttpFailure.wrong("top_p", "top_p is 0, expected a number above 0 and at most 1");
        }
        return topP;
    }

    private static void requireKnown(JsonNode body, String what) {
        if (!body.isObject()) {
            throw HttpFailure.wrong(null, "the body is " + kind(body) + ", expected a JSON object");
        }
        for (Map.Entry<String, JsonNode> field : body.properties()) {
            String name = field.getKey();
            String neutral = NEUTRAL.get(name);
            JsonNode value = field.getValue();
            if (neutral != null && !value.isNull() && !neutral.equals(value.toString()) && !(value.isNumber() && value.asDouble() == 0
                && neutral.equals("0"))) {
                throw HttpFailure.wrong(name,
                    name + " is " + shown(value) + ", which this server cannot do; leave it out, or say " + neutral);
            }
            if (neutral == null && !name.equals(what) && !KNOWN.contains(name) && !PASSED_OVER.contains(name)) {
                throw HttpFailure.wrong(name, "the field '" + name + "' is not known; leave it out");
            }
        }
    }

    private static Message message(JsonNode message, String where) {
        String role = text(message.path("role"), where + ".role");
        JsonNode content = message.path("content");
        StringBuilder text = new StringBuilder();
        if (content.isArray()) {
            for (JsonNode part : content) {
                if (!part.path("type").asText().equals("text")) {
                    throw HttpFailure.wrong(where + ".content", where + ".content has a part of type '" + part.path("type").asText()
                        + "', expected text alone");
                }
                text.append(text(part.path("text"), where + ".content"));
            }
        } else {
            text.append(text(content, where + ".content"));
        }
        // What older models call system, newer ones call developer.
        return new Message(role.equals("developer") ? "system" : role, text.toString());
    }

    private static List<String> stops(JsonNode body) {
        JsonNode stop = body.path("stop");
        List<String> stops = new ArrayList<>();
        if (stop.isArray()) {
            stop.forEach(one -> stops.add(text(one, "stop")));
        } else if (!stop.isMissingNode() && !stop.isNull()) {
            stops.add(text(stop, "stop"));
        }
        return stops;
    }

    private static String text(JsonNode node, String name) {
        if (!node.isTextual()) {
            throw HttpFailure.wrong(name, name + " is " + kind(node) + ", expected a text");
        }
        return node.textValue();
    }

    private static boolean flag(JsonNode body, String name) {
        JsonNode node = body.path(name);
        if (!node.isMissingNode() && !node.isNull() && !node.isBoolean()) {
            throw HttpFailure.wrong(name, name + " is " + shown(node) + ", expected true or false");
        }
        return node.asBoolean();
    }

    private static double number(JsonNode body, String name, double otherwise, double least, double most) {
        JsonNode node = body.path(name);
        if (node.isMissingNode() || node.isNull()) {
            return otherwise;
        }
        if (!node.isNumber() || !(node.doubleValue() >= least && node.doubleValue() <= most)) {
            throw HttpFailure.wrong(name, name + " is " + shown(node) + ", expected a number from " + least + " to " + most);
        }
        return node.doubleValue();
    }

    private static long integer(JsonNode body, String name, long otherwise, long least, long most) {
        JsonNode node = body.path(name);
        if (node.isMissingNode() || node.isNull()) {
            return otherwise;
        }
        if (!node.isIntegralNumber() || !node.canConvertToLong() || node.longValue() < least || node.longValue() > most) {
            throw HttpFailure.wrong(name, name + " is " + shown(node) + ", expected a whole number"
                + (most == Long.MAX_VALUE ? "" : " from " + least + " to " + most));
        }
        return node.longValue();
    }

    private static String kind(JsonNode node) {
        return node.isMissingNode() ? "missing" : node.isArray() && node.isEmpty() ? "an empty list"
            : "of type " + node.getNodeType().toString().toLowerCase(Locale.ROOT);
    }

    private static String shown(JsonNode node) {
        return HttpAnswers.shown(node.toString(), 80);
    }
}
