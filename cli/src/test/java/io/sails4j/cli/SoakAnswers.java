package io.sails4j.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sails4j.cli.RawClient.Answer;
import java.io.IOException;
import java.net.SocketException;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.LongAdder;
import org.jspecify.annotations.Nullable;

/** What clients of a server got: each answer is held to what it must be, and counted, so that the server's own counts can be held to it. */
final class SoakAnswers {
    private static final ObjectMapper JSON = new ObjectMapper();

    final Map<Integer, LongAdder> answered = new ConcurrentHashMap<>();
    /** Requests whose answer was not waited for: the server may have counted them or not. */
    final LongAdder left = new LongAdder();
    /** What the HTTP layer turned away by itself, before there was a request. */
    final LongAdder turnedAway = new LongAdder();

    static void require(boolean holds, String sentence) {
        if (!holds) {
            throw new AssertionError(sentence);
        }
    }

    /** An answer that must be there. */
    Answer counted(@Nullable Answer answer, String to) {
        require(answer != null, "the server closed the connection without an answer to " + to);
        answered.computeIfAbsent(answer.status(), _ -> new LongAdder()).increment();
        return answer;
    }

    private static JsonNode json(Answer answer, String to) {
        try {
            return JSON.readTree(answer.body());
        } catch (IOException e) {
            throw new AssertionError("no JSON is the answer to " + to + ": " + answer, e);
        }
    }

    /** Must be a refusal with one sentence in the form of the interface. */
    static void requireSentence(Answer answer, String to, int status) {
        JsonNode error = json(answer, to).path("error");
        String message = error.path("message").asText();
        require(answer.status() == status && !message.isBlank() && message.indexOf('\n') < 0 && !message.contains("Exception")
            && error.path("type").isTextual() && error.path("code").isTextual(), "the answer to " + to + " is " + answer);
    }

    /** Whether it says that the queue is full, as it must. */
    static boolean busy(Answer answer, String to) {
        if (answer.status() != 429) {
            return false;
        }
        requireSentence(answer, to, 429);
        require(answer.body().contains("requests wait already, as many as may; try again later") && "1".equals(answer.headers().get(
            "retry-after")), "the answer of a full queue is " + answer);
        return true;
    }

    /** Of an answer in one piece. */
    static String text(Answer answer, String to) {
        require(answer.status() == 200, "the answer to " + to + " is " + answer);
        JsonNode choice = json(answer, to).at("/choices/0");
        return choice.has("text") ? choice.path("text").asText() : choice.at("/message/content").asText();
    }

    /** Of all events. */
    static String streamedText(Answer answer, String to) {
        require(answer.status() == 200, "the answer to " + to + " is " + answer);
        List<String> lines = answer.body().lines().filter(line -> !line.isEmpty()).toList();
        require(lines.getLast().equals("data: [DONE]"), "the stream of " + to + " ends with " + lines.getLast());
        StringBuilder text = new StringBuilder();
        for (String line : lines.subList(0, lines.size() - 1)) {
            require(line.startsWith("data: {"), "the stream of " + to + " has the line " + line);
            JsonNode event = json(new Answer(200, Map.of(), line.substring("data: ".length())), to);
            require(!event.has("error"), "the stream of " + to + " has " + event);
            JsonNode choice = event.at("/choices/0");
            text.append(choice.has("text") ? choice.path("text").asText() : choice.at("/delta/content").asText());
        }
        return text.toString();
    }

    /** What the HTTP layer does not take for a request, or for a path: closed, or an answer of its own and closed. */
    void requireTurnedAway(RawClient client, String what) throws IOException {
        try {
            Answer answer = client.answer();
            require(answer == null || answer.status() == 400 || answer.status() == 404, "the answer to " + what + " is " + answer);
            require(answer == null || client.answer() == null, "the connection is open after " + what);
        } catch (SocketException e) {
            // It was closed before all was read: then the rest of an answer is lost.
        }
        turnedAway.increment();
    }
}
