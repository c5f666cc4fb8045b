package io.sails4j.langchain4j;

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.exception.InternalServerException;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.LangChain4jException;
import dev.langchain4j.exception.NonRetriableException;
import dev.langchain4j.exception.RateLimitException;
import dev.langchain4j.exception.TimeoutException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.model.output.TokenUsage;
import io.sails4j.InputException;
import io.sails4j.monitor.MonitorReport;
import io.sails4j.serving.BusyException;
import io.sails4j.serving.Ending;
import io.sails4j.serving.TextAnswer;
import io.sails4j.serving.TextRequest;
import io.sails4j.serving.TextService;
import java.util.UUID;
import org.jspecify.annotations.Nullable;

/**
 * Answers of a service as LangChain4j's, and its failures as LangChain4j's: who retries, does so for a full queue, a time that was over and
 * what broke inside, and not for a request that is wrong or a service that has ended.
 */
record ChatAnswers(TextService service, SailsChatOptions options) {
    /** An answer that has begun, and which model gives it. */
    record Begun(TextAnswer answer, String model) {
    }

    /** @throws LangChain4jException where the request is not taken */
    Begun begin(ChatRequest asked) {
        try {
            TextRequest request = AskedChat.of(asked, service, options);
            return new Begun(service.submit(request), request.model());
        } catch (InputException e) {
            throw new InvalidRequestException(e.getMessage(), e);
        } catch (BusyException e) {
            throw e.ending() ? new NonRetriableException(e.getMessage(), e) : new RateLimitException(e.getMessage(), e);
        } catch (IllegalStateException e) {
            throw closed(e);
        }
    }

    /**
     * The next piece; null where nothing more comes.
     *
     * @throws NonRetriableException where the thread is interrupted, which ends the answer, or the service is closed
     */
    static @Nullable String next(TextAnswer answer) {
        try {
            return answer.next();
        } catch (InterruptedException e) {
            throw interrupted(answer, e);
        } catch (IllegalStateException e) {
            throw closed(e);
        }
    }

    private static NonRetriableException interrupted(TextAnswer answer, InterruptedException e) {
        answer.cancel();
        Thread.currentThread().interrupt();
        return new NonRetriableException("the thread was interrupted while it waited for an answer", e);
    }

    private static NonRetriableException closed(IllegalStateException e) {
        return new NonRetriableException(e.getMessage(), e);
    }

    /**
     * The response, once no more pieces come.
     *
     * @param text all pieces
     * @throws LangChain4jException where the answer did not come to its end
     */
    static ChatResponse whole(Begun begun, String text) {
        TextAnswer answer = begun.answer;
        return ChatResponse.builder().aiMessage(AiMessage.from(text)).metadata(SailsChatResponseMetadata.builder()
            .id("sails-" + UUID.randomUUID())
            .modelName(begun.model)
            .tokenUsage(new TokenUsage(answer.promptTokens(), answer.tokens()))
            .monitor(new MonitorReport(answer.completion().events()))
            .finishReason(reason(ending(answer), " after " + answer.tokens() + " tokens"))
            .build()).build();
    }

    private static FinishReason reason(Ending ending, String when) {
        return switch (ending.finish()) {
            case STOP -> FinishReason.STOP;
            case LENGTH -> FinishReason.LENGTH;
            case MONITOR -> FinishReason.CONTENT_FILTER;
            case TIME_LIMIT -> throw new TimeoutException("the time of the answer was over" + when);
            case CANCELLED -> throw new NonRetriableException("the answer was cancelled" + when);
            case CLOSED -> throw new NonRetriableException("the service was closed" + when);
            case FAILED -> throw new InternalServerException("the answer broke" + when + ": " + ending.failure(), ending.failure());
        };
    }

    /** It has ended: nothing is waited for. */
    private static Ending ending(TextAnswer answer) {
        try {
            return answer.ending();
        } catch (InterruptedException e) {
            throw interrupted(answer, e);
        }
    }
}
