package io.sails4j.langchain4j;

import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.chat.response.StreamingHandle;
import io.sails4j.serving.TextAnswer;

/** One answer on its way to its handler, which is told of the end once. */
record StreamedAnswer(ChatAnswers answers, ChatRequest request, StreamingChatResponseHandler handler) implements Runnable {
    private static final System.Logger LOG = System.getLogger("io.sails4j.langchain4j");

    /** What a handler cancels by; any thread may call it. */
    private static final class Handle implements StreamingHandle {
        private final TextAnswer answer;
        private volatile boolean cancelled;

        Handle(TextAnswer answer) {
            this.answer = answer;
        }

        @Override
        public void cancel() {
            cancelled = true;
            answer.cancel();
        }

        @Override
        public boolean isCancelled() {
            return cancelled;
        }
    }

    @Override
    public void run() {
        ChatAnswers.Begun begun;
        try {
            begun = answers.begin(request);
        } catch (RuntimeException | Error e) {
            tell(e);
            return;
        }
        Handle handle = new Handle(begun.answer());
        try {
            stream(begun, handle);
        } catch (RuntimeException | Error e) {
            begun.answer().cancel();
            if (!handle.isCancelled()) {
                tell(e);
            }
        }
    }

    private void stream(ChatAnswers.Begun begun, Handle handle) {
        StringBuilder text = new StringBuilder();
        PartialResponseContext context = new PartialResponseContext(handle);
        for (String piece = ChatAnswers.next(begun.answer()); piece != null; piece = ChatAnswers.next(begun.answer())) {
            if (handle.isCancelled()) {
                return;
            }
            text.append(piece);
            handler.onPartialResponse(new PartialResponse(piece), context);
        }
        if (!handle.isCancelled()) {
            handler.onCompleteResponse(ChatAnswers.whole(begun, text.toString()));
        }
    }

    private void tell(Throwable failure) {
        try {
            handler.onError(failure);
        } catch (RuntimeException | Error e) {
            // There is nobody else to be told.
            LOG.log(System.Logger.Level.WARNING, "a handler's onError failed itself, on " + failure, e);
        }
    }
}
