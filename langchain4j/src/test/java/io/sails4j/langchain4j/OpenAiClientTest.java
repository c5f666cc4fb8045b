package io.sails4j.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.AuthenticationException;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.ModelNotFoundException;
import dev.langchain4j.model.chat.ChatModel;
import dev.langchain4j.model.chat.StreamingChatModel;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.chat.response.StreamingChatResponseHandler;
import dev.langchain4j.model.openai.OpenAiChatModel;
import dev.langchain4j.model.openai.OpenAiStreamingChatModel;
import io.sails4j.serve.ServeOptions;
import io.sails4j.serve.TextServer;
import io.sails4j.serving.TextService;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A client that others wrote for OpenAI's interface understands {@code sails serve}: answers, streams, errors. */
@Timeout(120)
class OpenAiClientTest {
    private static final String KEY = "s3cret";
    private static final String QUESTION = "what is the moon";

    private static OpenAiChatModel.OpenAiChatModelBuilder client(String url) {
        return OpenAiChatModel.builder().baseUrl(url).apiKey(KEY).modelName("tuned").temperature(0.0).maxTokens(12).maxRetries(0);
    }

    @Test
    void itsAnswersAreThoseOfTheService(@TempDir Path directory) throws Exception {
        try (TinyService tiny = new TinyService(directory); TextService service = tiny.open(4);
             TextServer server = TextServer.start(service, new ServeOptions("127.0.0.1", 0, 64, 60, 5), KEY)) {
            String url = "http://127.0.0.1:" + server.address().getPort() + "/v1";
            String text = TinyService.answer(service, "tuned", 12, QUESTION);
            ChatModel model = client(url).build();
            ChatResponse answer = model.chat(UserMessage.from(QUESTION));
            assertThat(answer.aiMessage().text()).isEqualTo(text);
            assertThat(answer.tokenUsage().outputTokenCount()).isPositive();
            CompletableFuture<ChatResponse> end = new CompletableFuture<>();
            StringBuilder pieces = new StringBuilder();
            StreamingChatModel streaming = OpenAiStreamingChatModel.builder().baseUrl(url).apiKey(KEY).modelName("tuned").temperature(0.0)
                .maxTokens(12).build();
            streaming.chat(QUESTION, handler(pieces, end));
            assertThat(end.get().aiMessage().text()).isEqualTo(text);
            assertThat(pieces).hasToString(text);
            assertThat(end.get().finishReason()).isEqualTo(answer.finishReason());
            assertThatThrownBy(() -> client(url).modelName("large").build().chat(QUESTION)).isInstanceOf(ModelNotFoundException.class)
                .hasMessageContaining("no model 'large'");
            assertThatThrownBy(() -> client(url).topP(2.0).build().chat(QUESTION)).isInstanceOf(InvalidRequestException.class)
                .hasMessageContaining("top_p is 2");
            assertThatThrownBy(() -> client(url).apiKey("other").build().chat(QUESTION)).isInstanceOf(AuthenticationException.class);
        }
    }

    private static StreamingChatResponseHandler handler(StringBuilder pieces, CompletableFuture<ChatResponse> end) {
        return new StreamingChatResponseHandler() {
            @Override
            public void onPartialResponse(String piece) {
                pieces.append(piece);
            }

            @Override
            public void onCompleteResponse(ChatResponse response) {
                end.complete(response);
            }

            @Override
            public void onError(Throwable error) {
                end.completeExceptionally(error);
            }
        };
    }
}
