package io.sails4j.judge;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.files.JsonFiles;
import io.sails4j.http.HttpAnswers;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.util.Optional;

/** What an answer over HTTP means, and what to do next. */
final class ServerAnswer {
    private final EndpointServer server;

    ServerAnswer(EndpointServer server) {
        this.server = server;
    }

    /** What to do next. */
    sealed interface Next {
    }

    /** Nothing: this is what came. */
    record Done(ChatOutcome outcome) implements Next {
    }

    /**
     * To ask again.
     *
     * @param asked how long the server asks to wait
     * @param rateLimit whether it asks so of every request
     */
    record Later(Duration asked, String why, boolean rateLimit) implements Next {
    }

    /** To ask at once in other words. */
    record Otherwise(Dialect dialect) implements Next {
    }

    /** @throws InputException where asking again cannot help */
    Next read(HttpResponse<byte[]> answer, Dialect spoken, Instant now) {
        int status = answer.statusCode();
        String body = server.token().hiddenIn(new String(answer.body(), StandardCharsets.UTF_8));
        Duration asked = HttpAnswers.retryAfter(answer.headers(), now).orElse(Duration.ZERO);
        if (status / 100 == 3) {
            String location = answer.headers().firstValue("location").orElse("nowhere");
            throw new InputException(server.requests() + " answers " + status + " and redirects to "
                + HttpAnswers.shown(server.token().hiddenIn(location)) + "; texts and token go to no other address than the endpoint that"
                + " was named: name that one");
        }
        return status / 100 == 2 ? spoken(status, body, spoken, asked) : refused(status, ServerWords.of(body), spoken, asked);
    }

    private Next spoken(int status, String body, Dialect spoken, Duration asked) {
        if (body.isBlank()) {
            return new Later(asked, "answers " + status + " with nothing", false);
        }
        JsonNode root;
        try {
            root = JsonFiles.parse(body, "its answer");
        } catch (InputException e) {
            if (body.stripLeading().startsWith("{")) {
                return new Later(asked, "answers " + status + ", but " + HttpAnswers.reason(e), false);
            }
            throw new InputException(server.requests() + " answers " + status + " with no JSON ('" + HttpAnswers.shown(body)
                + "'); is " + server.base() + " the address of its API, which ends with /v1 on most servers?", e);
        }
        JsonNode choices = root.path("choices");
        if (root.path("error").isObject() || root.path("error").isTextual()) {
            // Routers in front of other servers answer 200 and hand on what those said.
            int code = root.path("error").path("code").asInt(500);
            return refused(code, ServerWords.of(root), spoken, asked);
        }
        if (!choices.isArray()) {
            throw new InputException(server.requests() + " answers " + status + " without 'choices' ('" + HttpAnswers.shown(body)
                + "'); expected a server of OpenAI's chat completions");
        }
        return new Done(choices.isEmpty() ? new ChatOutcome.Unanswered("the judge's server answers without a choice")
            : ChatReply.of(choices.get(0)));
    }

    private Next refused(int status, ServerWords words, Dialect spoken, Duration asked) {
        String answers = "answers " + status + words.quoted();
        if (HttpAnswers.isTemporary(status) && !words.isOutOfQuota()) {
            return new Later(asked, answers, status == 429 || asked.isPositive());
        }
        if (status == 400 || status == 413 || status == 422) {
            if (words.isTooLong() || status == 413) {
                return new Done(new ChatOutcome.Unanswered("the texts are too long for the judge: its server " + answers));
            }
            if (words.isFiltered()) {
                return new Done(new ChatOutcome.Unanswered("the judge's server does not take the texts: it " + answers));
            }
            Optional<Dialect> next = spoken.after(words.sentence());
            if (next.isPresent()) {
                return new Otherwise(next.get());
            }
        }
        throw new InputException(server.requests() + " " + answers + advice(status));
    }

    private String advice(int status) {
        EndpointToken token = server.token();
        return switch (status) {
            case 401, 403 -> token.value() == null
                ? "; no token was sent: set " + (token.source().equals("none") ? "a variable and name it with key-env" : token.source())
                : "; the token of " + token.source() + " was sent: is it this server's, and may it use " + server.model() + "?";
            case 402 -> "; the account has no means left";
            case 404 -> "; does the server know the model '" + server.model() + "', and does its API begin at " + server.base() + "?";
            default -> "";
        };
    }
}
