package com.example.chat;

import io.sails4j.InputException;
import io.sails4j.data.Message;
import io.sails4j.serving.BusyException;
import io.sails4j.serving.TextAnswer;
import io.sails4j.serving.TextRequest;
import io.sails4j.serving.TextService;
import java.io.InterruptedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.springframework.http.HttpStatus;
import org.springframework.http.ProblemDetail;
import org.springframework.web.bind.annotation.ExceptionHandler;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.servlet.mvc.method.annotation.StreamingResponseBody;

/** Questions in, answers out, whole or as they come. */
@RestController
final class ChatController {
    private static final Duration MOST_TIME = Duration.ofMinutes(2);

    private final TextService service;

    ChatController(TextService service) {
        this.service = service;
    }

    /** @param maxTokens 0 = as many as there is room for */
    record Question(@Nullable String text, int maxTokens) {
    }

    record Answer(String text, int tokens, String finish) {
    }

    @PostMapping("/answer")
    Answer answer(@RequestBody Question question) throws InterruptedException {
        TextAnswer answer = submit(question);
        return new Answer(answer.text(), answer.tokens(), answer.ending().finish().name());
    }

    /** The answer's text, written as it comes. */
    @PostMapping(path = "/stream", produces = "text/plain;charset=UTF-8")
    StreamingResponseBody stream(@RequestBody Question question) {
        TextAnswer answer = submit(question);
        return out -> {
            try {
                for (String piece = answer.next(); piece != null; piece = answer.next()) {
                    out.write(piece.getBytes(StandardCharsets.UTF_8));
                    out.flush();
                }
            } catch (InterruptedException e) {
                Thread.currentThread().interrupt();
                throw new InterruptedIOException("interrupted while an answer was written");
            } finally {
                // Where the client is gone, nobody waits for the rest.
                answer.cancel();
            }
        };
    }

    private TextAnswer submit(Question question) {
        if (question.text == null) {
            throw new InputException("text is missing, expected a question");
        }
        return service.submit(TextRequest.chat(List.of(new Message("user", question.text)))
            .with(r -> r.limits = new TextRequest.Limits(question.maxTokens, List.of(), MOST_TIME)));
    }

    @ExceptionHandler
    ProblemDetail wrong(InputException e) {
        return ProblemDetail.forStatusAndDetail(HttpStatus.BAD_REQUEST, e.getMessage());
    }

    @ExceptionHandler
    ProblemDetail busy(BusyException e) {
        return ProblemDetail.forStatusAndDetail(e.ending() ? HttpStatus.SERVICE_UNAVAILABLE : HttpStatus.TOO_MANY_REQUESTS, e.getMessage());
    }
}
