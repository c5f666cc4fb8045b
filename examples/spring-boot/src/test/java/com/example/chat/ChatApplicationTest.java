package com.example.chat;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.config.ModelConfig;
import io.sails4j.data.Message;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.serving.TextRequest;
import io.sails4j.serving.TextService;
import io.sails4j.tensor.DType;
import io.sails4j.testing.TinyTokenizer;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.web.server.context.WebServerApplicationContext;
import org.springframework.context.ConfigurableApplicationContext;

/** The service as it starts, answers and ends, on a model from nothing. */
@Timeout(120)
class ChatApplicationTest {
    private static final HttpClient CLIENT = HttpClient.newHttpClient();

    private static void writeModel(Path directory) {
        int size = TinyTokenizer.write(directory, "abcdefghijklmnopqrstuvwxyz.?▁", "th", "▁a");
        ModelConfig config = ModelConfig.gemma2().vocabSize(size).dModel(24).layers(2).heads(2, 1).headDim(8).dFf(40).slidingWindow(6)
            .maxPositionEmbeddings(256).checkpointDtype(DType.F32).build();
        try (Engine engine = Engine.open(new EngineOptions("cpu", 1, ""));
             ModelWeights weights = ModelWeights.random(config, engine, DType.F32, 11)) {
            weights.writeInto(directory, engine);
        }
    }

    private static HttpResponse<String> post(ConfigurableApplicationContext context, String path, String body) throws Exception {
        int port = ((WebServerApplicationContext) context).getWebServer().getPort();
        return CLIENT.send(HttpRequest.newBuilder(URI.create("http://127.0.0.1:" + port + path)).header("Content-Type", "application/json")
            .POST(HttpRequest.BodyPublishers.ofString(body)).build(), BodyHandlers.ofString());
    }

    @Test
    void itAnswersStreamsAndEnds(@TempDir Path directory) throws Exception {
        writeModel(directory);
        TextService service;
        CausalModel model;
        Engine engine;
        try (ConfigurableApplicationContext context = SpringApplication.run(ChatApplication.class, "--server.port=0",
            "--sails.backend=cpu", "--sails.model=" + directory)) {
            service = context.getBean(TextService.class);
            model = context.getBean(CausalModel.class);
            engine = context.getBean(Engine.class);
            String text = service.submit(TextRequest.chat(List.of(new Message("user", "what is it")))
                .with(r -> r.limits = new TextRequest.Limits(12, List.of(), null))).text();
            HttpResponse<String> answer = post(context, "/answer", "{\"text\": \"what is it\", \"maxTokens\": 12}");
            assertThat(answer.statusCode()).as(answer.body()).isEqualTo(200);
            assertThat(answer.body()).contains("\"tokens\":").contains("\"finish\":");
            HttpResponse<String> streamed = post(context, "/stream", "{\"text\": \"what is it\", \"maxTokens\": 12}");
            assertThat(streamed.body()).isEqualTo(text).isNotEmpty();
            HttpResponse<String> wrong = post(context, "/answer", "{\"text\": \"what is it\", \"maxTokens\": 5000}");
            assertThat(wrong.statusCode()).isEqualTo(400);
            assertThat(wrong.body()).contains("5000", "256");
            assertThat(post(context, "/answer", "{\"maxTokens\": 1}").body()).contains("text is missing", "400");
        }
        assertThatThrownBy(() -> service.submit(TextRequest.continuation("a"))).hasMessage("the service is closed");
        assertThatThrownBy(() -> ModelSession.open(model)).isInstanceOf(IllegalStateException.class);
        assertThatThrownBy(() -> engine.device().allocateBytes(8)).isInstanceOf(IllegalStateException.class);
    }
}
