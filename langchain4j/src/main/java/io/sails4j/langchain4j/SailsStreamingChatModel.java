package io.sails4j.langchain4j;

import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import io.sails4j.serving.TextService;
import java.util.List;

/**
 * A service's models, asked for answers in pieces. It knows the parameters of {@link SailsChatModel}, and fails by the same exceptions.
 *
 * <p>{@code chat} returns at once. A virtual thread calls the handler, one call at a time: {@code onPartialResponse} for each piece, then
 * once {@code onCompleteResponse} or {@code onError}. A slow handler delays nobody else. Where the handler throws, the answer ends and
 * {@code onError} gets what was thrown; what {@code onError} itself throws goes to the log. After {@code cancel()} of the streaming handle
 * nothing more is called, but what is under way.
 */
public final class SailsStreamingChatModel implements StreamingChatModel {
    private final ChatAnswers answers;

    /** With {@link SailsChatOptions#defaults}. */
    public SailsStreamingChatModel(TextService service) {
        this(service, SailsChatOptions.defaults());
    }

    /** With options for every request. */
    public SailsStreamingChatModel(TextService service, SailsChatOptions options) {
        answers = new ChatAnswers(service, options);
    }

    /** Begins the answer, and returns. */
    @Override
    public void doChat(ChatRequest request, StreamingChatResponseHandler handler) {
        Thread.ofVirtual().name("sails-answer").start(new StreamedAnswer(answers, request, handler));
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
