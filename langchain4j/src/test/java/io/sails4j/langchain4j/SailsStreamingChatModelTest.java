package io.sails4j.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.NonRetriableException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.PartialResponse;
import dev.langchain4j.model.chat.response.PartialResponseContext;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import io.sails4j.serving.Finish;
import io.sails4j.serving.TextService;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.CountDownLatch;
import java.util.function.BiConsumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
class SailsStreamingChatModelTest {
    private static final ChatRequestParameters GREEDY = ChatRequestParameters.builder().temperature(0.0).maxOutputTokens(12).build();
    /** Hot: a small model hardly ends it by a stop token. */
    private static final ChatRequest LONG = ChatRequest.builder().messages(UserMessage.from("endless")).temperature(20.0)
        .maxOutputTokens(480).build();

    @TempDir
    private static Path directory;
    private static TinyService tiny;
    private static TextService service;
    private static SailsStreamingChatModel model;

    @BeforeAll
    static void open() {
        tiny = new TinyService(directory);
        service = tiny.open(4);
        model = model(service);
    }

    @AfterAll
    static void close() {
        service.close();
        tiny.close();
    }

    private static SailsStreamingChatModel model(TextService of) {
        return new SailsStreamingChatModel(of, SailsChatOptions.defaults().with(o -> {
            o.parameters = GREEDY;
            o.seed = 3L;
        }));
    }

    /** Keeps what it is told, and does something with each piece. */
    private static final class Told implements StreamingChatResponseHandler {
        final List<String> pieces = new CopyOnWriteArrayList<>();
        final List<Throwable> errors = new CopyOnWriteArrayList<>();
        final CompletableFuture<ChatResponse> end = new CompletableFuture<>();
        private final BiConsumer<PartialResponse, PartialResponseContext> each;

        Told(BiConsumer<PartialResponse, PartialResponseContext> each) {
            this.each = each;
        }

        Told() {
            this((_, _) -> {});
        }

        @Override
        public void onPartialResponse(PartialResponse piece, PartialResponseContext context) {
            assertThat(Thread.currentThread().isVirtual()).isTrue();
            pieces.add(piece.text());
            each.accept(piece, context);
        }

        @Override
        public void onCompleteResponse(ChatResponse response) {
            end.complete(response);
        }

        @Override
        public void onError(Throwable error) {
            errors.add(error);
            end.completeExceptionally(error);
        }
    }

    /** Nothing runs any more. */
    private static void awaitIdle() throws InterruptedException {
        while (service.scheduler().state().running() + service.scheduler().state().waiting() > 0) {
            Thread.sleep(5);
        }
    }

    @Test
    void piecesAreTheAnswer() throws Exception {
        List<Told> all = IntStream.range(0, 3).mapToObj(_ -> new Told()).toList();
        all.forEach(told -> model.chat("what is the moon", told));
        String text = TinyService.answer(service, "", 12, "what is the moon");
        for (Told told : all) {
            ChatResponse response = told.end.get();
            assertThat(response.aiMessage().text()).isEqualTo(text);
            assertThat(String.join("", told.pieces)).isEqualTo(text);
            assertThat(told.pieces).hasSizeGreaterThan(1);
            assertThat(response.tokenUsage().outputTokenCount()).isPositive();
            assertThat(told.errors).isEmpty();
        }
    }

    @Test
    void whatIsRefusedGoesToOnErrorOnce() {
        Told told = new Told();
        model.chat(ChatRequest.builder().messages(UserMessage.from("a")).presencePenalty(1.0).build(), told);
        assertThatThrownBy(told.end::get).hasCauseExactlyInstanceOf(UnsupportedFeatureException.class);
        assertThat(told.errors).hasSize(1);
        assertThat(told.pieces).isEmpty();
    }

    @Test
    void whatAHandlerThrowsEndsTheAnswerAndGoesToOnErrorOnce() throws Exception {
        Told told = new Told((_, _) -> {
            throw new AssertionError("the handler's");
        });
        model.chat(LONG, told);
        assertThatThrownBy(told.end::get).cause().hasMessage("the handler's");
        awaitIdle();
        assertThat(told.pieces).hasSize(1);
        assertThat(told.errors).hasSize(1);
        assertThat(service.scheduler().state().ended().get(Finish.CANCELLED)).isPositive();
    }

    @Test
    void aHandlerThatCancelsHearsNothingMore() throws Exception {
        CountDownLatch cancelled = new CountDownLatch(1);
        Told told = new Told((_, context) -> {
            assertThat(context.streamingHandle().isCancelled()).isFalse();
            context.streamingHandle().cancel();
            assertThat(context.streamingHandle().isCancelled()).isTrue();
            cancelled.countDown();
        });
        model.chat(LONG, told);
        cancelled.await();
        awaitIdle();
        // Whoever begins after it has ended long after it.
        Told next = new Told();
        model.chat("what is the moon", next);
        next.end.get();
        assertThat(told.pieces).hasSize(1);
        assertThat(told.errors).isEmpty();
        assertThat(told.end).isNotDone();
    }

    @Test
    void closingTheServiceEndsAnAnswerByOneError() throws Exception {
        TextService closing = tiny.open(1);
        CountDownLatch begun = new CountDownLatch(1);
        Told told = new Told((_, _) -> begun.countDown());
        model(closing).chat(LONG, told);
        begun.await();
        closing.close();
        assertThatThrownBy(told.end::get).hasCauseExactlyInstanceOf(NonRetriableException.class).cause().hasMessageContaining("closed");
        assertThat(told.errors).hasSize(1);
    }
}
