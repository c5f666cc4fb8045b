package io.sails4j.langchain4j;

import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import io.sails4j.serving.TextService;
import java.util.List;

/**
 * A service's models, asked for whole answers. Any number of threads may ask; the service stays the caller's to close, after the last of
 * them.
 *
 * <p>Of a request's parameters it knows {@code modelName} (one of {@link TextService#names}), {@code temperature} (1 where nothing is said,
 * 0 is greedy), {@code topP}, {@code topK}, {@code maxOutputTokens} and {@code stopSequences}. What else would change the answer is refused
 * by name. A response's metadata is a {@link SailsChatResponseMetadata}. An answer that a rule of the service's monitor stopped is what
 * there was of it, with the finish reason {@code CONTENT_FILTER}.
 */
public final class SailsChatModel implements ChatModel {
    private final ChatAnswers answers;

    /** With {@link SailsChatOptions#defaults}. */
    public SailsChatModel(TextService service) {
        this(service, SailsChatOptions.defaults());
    }

    /** With options for every request. */
    public SailsChatModel(TextService service, SailsChatOptions options) {
        answers = new ChatAnswers(service, options);
    }

    /**
     * Waits for the answer.
     *
     * @throws dev.langchain4j.exception.UnsupportedFeatureException where a parameter or a message asks for what there is not
     * @throws dev.langchain4j.exception.InvalidRequestException where the request is wrong: a value, turns, a prompt that does not fit
     * @throws dev.langchain4j.exception.ModelNotFoundException where the service has no model of that name
     * @throws dev.langchain4j.exception.RateLimitException where too many wait
     * @throws dev.langchain4j.exception.TimeoutException where the time was over before the answer was there
     * @throws dev.langchain4j.exception.NonRetriableException where the service ends or is closed, or the thread is interrupted: the answer
     *         ends then
     * @throws dev.langchain4j.exception.InternalServerException where something broke
     */
    @Override
    public ChatResponse doChat(ChatRequest request) {
        ChatAnswers.Begun begun = answers.begin(request);
        StringBuilder text = new StringBuilder();
        for (String piece = ChatAnswers.next(begun.answer()); piece != null; piece = ChatAnswers.next(begun.answer())) {
            text.append(piece);
        }
        return ChatAnswers.whole(begun, text.toString());
    }

    @Override
    public ChatRequestParameters defaultRequestParameters() {
        return answers.options().parameters();
    }

    @Override
    public List<ChatModelListener> listeners() {
        return answers.options().listeners();
    }
}
