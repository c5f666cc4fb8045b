package io.sails4j.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.ImageContent;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.ModelNotFoundException;
import dev.langchain4j.exception.NonRetriableException;
import dev.langchain4j.exception.RateLimitException;
import dev.langchain4j.exception.TimeoutException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.memory.chat.MessageWindowChatMemory;
import dev.langchain4j.model.chat.listener.ChatModelErrorContext;
import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.listener.ChatModelRequestContext;
import dev.langchain4j.model.chat.listener.ChatModelResponseContext;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.DefaultChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormat;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.service.AiServices;
import io.sails4j.InputException;
import io.sails4j.data.Message;
import io.sails4j.serving.TextAnswer;
import io.sails4j.serving.TextRequest;
import io.sails4j.serving.TextService;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Consumer;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(120)
class SailsChatModelTest {
    private static final UserMessage USER = UserMessage.from("what is the moon");
    private static final ChatRequestParameters GREEDY = ChatRequestParameters.builder().temperature(0.0).maxOutputTokens(12).build();

    @TempDir
    private static Path directory;
    private static TinyService tiny;
    private static TextService service;

    @BeforeAll
    static void open() {
        tiny = new TinyService(directory);
        service = tiny.open(4);
    }

    @AfterAll
    static void close() {
        service.close();
        tiny.close();
    }

    private static SailsChatModel model(Consumer<SailsChatOptions.Builder> change) {
        return new SailsChatModel(service, SailsChatOptions.defaults().with(o -> o.parameters = GREEDY).with(change));
    }

    private static SailsChatModel model() {
        return model(_ -> {});
    }

    private static ChatRequest request(Consumer<ChatRequest.Builder> change) {
        ChatRequest.Builder builder = ChatRequest.builder().messages(USER);
        change.accept(builder);
        return builder.build();
    }

    @Test
    void answersAreThoseOfTheService() throws Exception {
        ChatResponse response = model().chat(request(_ -> {}));
        TextAnswer answer = service.submit(TextRequest.chat(List.of(new Message("user", "what is the moon")))
            .with(r -> r.limits = new TextRequest.Limits(12, List.of(), null)));
        assertThat(response.aiMessage().text()).isEqualTo(answer.text()).isNotEmpty();
        assertThat(response.modelName()).isEqualTo("tiny");
        assertThat(response.id()).startsWith("sails-");
        assertThat(response.finishReason()).isEqualTo(answer.tokens() == 12 ? FinishReason.LENGTH : FinishReason.STOP);
        assertThat(response.tokenUsage().inputTokenCount()).isEqualTo(answer.promptTokens());
        assertThat(response.tokenUsage().outputTokenCount()).isEqualTo(answer.tokens());
        assertThat(model().chat(request(r -> r.modelName("tuned"))).aiMessage().text())
            .isEqualTo(TinyService.answer(service, "tuned", 12, "what is the moon")).isNotEqualTo(response.aiMessage().text());
    }

    @Test
    void turnsAndPartsAreTheirTexts() throws Exception {
        List<ChatMessage> turns = List.of(UserMessage.from(TextContent.from("a "), TextContent.from("cat")), AiMessage.from("so"),
            UserMessage.from("go on"));
        List<Message> same = List.of(new Message("user", "a cat"), new Message("assistant", "so"), new Message("user", "go on"));
        assertThat(model().chat(request(r -> r.messages(turns))).aiMessage().text()).isEqualTo(service.submit(TextRequest.chat(same)
            .with(r -> r.limits = new TextRequest.Limits(12, List.of(), null))).text());
    }

    @Test
    void samplingAndStopsAreTheRequests() throws Exception {
        SailsChatModel seeded = model(o -> o.seed = 5L);
        String sampled = seeded.chat(request(r -> r.temperature(1.5).topK(40).topP(0.9).maxOutputTokens(30))).aiMessage().text();
        assertThat(sampled).isEqualTo(service.submit(TextRequest.chat(List.of(new Message("user", "what is the moon"))).with(r -> {
            r.sampling = new TextRequest.Sampling(1.5, 40, 0.9, 5);
            r.limits = new TextRequest.Limits(30, List.of(), null);
        })).text());
        assertThat(sampled).isEqualTo(seeded.chat(request(r -> r.temperature(1.5).topK(40).topP(0.9).maxOutputTokens(30))).aiMessage()
            .text());
        String whole = TinyService.answer(service, "", 30, "what is the moon");
        String stop = whole.substring(whole.length() / 2, whole.length() / 2 + 1);
        ChatResponse stopped = model().chat(request(r -> r.maxOutputTokens(30).stopSequences(List.of(stop))));
        assertThat(stopped.aiMessage().text()).isEqualTo(whole.substring(0, whole.indexOf(stop)));
        assertThat(stopped.finishReason()).isEqualTo(FinishReason.STOP);
    }

    private static void assertRefused(Class<? extends Exception> by, Consumer<ChatRequest.Builder> change, String... words) {
        assertThatThrownBy(() -> model().chat(request(change))).isExactlyInstanceOf(by).message().contains(words).doesNotContain("\n");
    }

    @Test
    void whatIsNotKnownIsRefusedByName() {
        Class<? extends Exception> unsupported = UnsupportedFeatureException.class;
        assertRefused(unsupported, r -> r.frequencyPenalty(0.5), "frequencyPenalty is 0.5", "leave it out");
        assertRefused(unsupported, r -> r.presencePenalty(-1.0), "presencePenalty is -1.0");
        assertRefused(unsupported, r -> r.toolSpecifications(ToolSpecification.builder().name("clock").build()), "'clock'", "tools");
        assertRefused(unsupported, r -> r.toolChoice(ToolChoice.REQUIRED), "toolChoice is REQUIRED");
        assertRefused(unsupported, r -> r.responseFormat(ResponseFormat.JSON), "responseFormat is JSON", "expected TEXT");
        assertRefused(unsupported, r -> r.parameters(new Special()), "Special", "does not know");
        assertRefused(unsupported, r -> r.messages(UserMessage.from(ImageContent.from("http://example.invalid/a.png"))), "message 1",
            "ImageContent", "text alone");
        assertRefused(unsupported, r -> r.messages(USER, ToolExecutionResultMessage.from("1", "clock", "noon")), "message 2",
            "ToolExecutionResultMessage");
        assertRefused(unsupported, r -> r.messages(UserMessage.from("Ann", "hello")), "message 1", "'Ann'");
        assertThat(model().chat(request(r -> r.frequencyPenalty(0.0).toolChoice(ToolChoice.AUTO).responseFormat(ResponseFormat.TEXT)
            .maxOutputTokens(1))).tokenUsage().outputTokenCount()).isOne();
    }

    /** Parameters of another provider. */
    private static final class Special extends DefaultChatRequestParameters {
        Special() {
            super(DefaultChatRequestParameters.builder());
        }

        /** As those of providers do: what is special is not lost. */
        @Override
        public ChatRequestParameters defaultedBy(ChatRequestParameters that) {
            return this;
        }
    }

    @Test
    void whatIsWrongIsASentence() {
        Class<? extends Exception> invalid = InvalidRequestException.class;
        assertRefused(invalid, r -> r.maxOutputTokens(0), "maxOutputTokens is 0, expected 1 or more");
        assertRefused(invalid, r -> r.maxOutputTokens(5000), "5000", "512");
        assertRefused(invalid, r -> r.temperature(-1.0), "temperature is -1.0");
        assertRefused(invalid, r -> r.topP(2.0), "top-p is 2.0");
        assertRefused(invalid, r -> r.stopSequences(List.of("")), "empty");
        assertRefused(invalid, r -> r.messages(UserMessage.from("a ".repeat(600))), "tokens", "512");
        assertRefused(invalid, r -> r.messages(SystemMessage.from("be brief"), USER), "system");
        assertRefused(ModelNotFoundException.class, r -> r.modelName("large"), "no model 'large'", "tiny, tuned");
        assertThatThrownBy(() -> model(o -> o.timeLimit = Duration.ZERO)).isInstanceOf(InputException.class)
            .hasMessageContaining("timeLimit");
    }

    @Test
    void aTimeThatIsOverIsAnError() {
        assertThatThrownBy(() -> model(o -> o.timeLimit = Duration.ofNanos(1)).chat(request(_ -> {})))
            .isExactlyInstanceOf(TimeoutException.class).hasMessageContaining("time of the answer was over after 0 tokens");
    }

    @Test
    void aFullQueueAndAServiceThatEndsAreErrors() throws Exception {
        TextService small = tiny.open(1);
        SailsChatModel model = new SailsChatModel(small, SailsChatOptions.defaults().with(o -> o.parameters = GREEDY));
        List<TextAnswer> taken = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            taken.add(small.submit(TextRequest.chat(List.of(new Message("user", "endless"))).with(r -> {
                r.sampling = new TextRequest.Sampling(20, 0, 1, 3);
                r.limits = new TextRequest.Limits(480, List.of(), null);
            })));
        }
        assertThatThrownBy(() -> model.chat("hello")).isExactlyInstanceOf(RateLimitException.class).hasMessageContaining("try again");
        taken.forEach(TextAnswer::cancel);
        assertThat(small.scheduler().drain(Duration.ofSeconds(60))).isTrue();
        assertThatThrownBy(() -> model.chat("hello")).isExactlyInstanceOf(NonRetriableException.class).hasMessageContaining("ending");
        small.close();
        assertThatThrownBy(() -> model.chat("hello")).isExactlyInstanceOf(NonRetriableException.class)
            .hasMessage("the service is closed");
    }

    @Test
    void aThreadThatIsInterruptedEndsItsAnswer() {
        Thread.currentThread().interrupt();
        assertThatThrownBy(() -> model().chat("hello")).isExactlyInstanceOf(NonRetriableException.class)
            .hasMessageContaining("interrupted");
        assertThat(Thread.interrupted()).isTrue();
        assertThat(model().chat("hello")).isNotNull();
    }

    @Test
    void threadsGetWhatEachWouldGetAlone() throws Exception {
        List<String> alone = IntStream.range(0, 6).mapToObj(i -> model().chat("ask me " + i)).toList();
        try (ExecutorService threads = Executors.newFixedThreadPool(2)) {
            List<Future<String>> answers = IntStream.range(0, 24).mapToObj(i -> threads.submit(() -> model().chat("ask me " + i % 6)))
                .toList();
            for (int i = 0; i < answers.size(); i++) {
                assertThat(answers.get(i).get()).isEqualTo(alone.get(i % 6));
            }
        }
    }

    @Test
    void listenersAreTold() {
        List<String> told = new ArrayList<>();
        SailsChatModel model = model(o -> o.listeners = List.of(new ChatModelListener() {
            @Override
            public void onRequest(ChatModelRequestContext context) {
                told.add("asked for " + context.chatRequest().parameters().maxOutputTokens());
            }

            @Override
            public void onResponse(ChatModelResponseContext context) {
                told.add("answered by " + context.chatResponse().modelName());
            }

            @Override
            public void onError(ChatModelErrorContext context) {
                told.add(context.error().getClass().getSimpleName());
            }
        }));
        model.chat("hello");
        assertThatThrownBy(() -> model.chat(request(r -> r.modelName("none")))).isInstanceOf(ModelNotFoundException.class);
        assertThat(told).containsExactly("asked for 12", "answered by tiny", "asked for 12", "ModelNotFoundException");
    }

    /** What LangChain4j makes a service of. */
    interface Assistant {
        String answer(String question);
    }

    @Test
    void anAiServiceStandsOnIt() throws Exception {
        MessageWindowChatMemory memory = MessageWindowChatMemory.withMaxMessages(10);
        Assistant assistant = AiServices.builder(Assistant.class).chatModel(model()).chatMemory(memory).build();
        String first = assistant.answer("what is the moon");
        assertThat(first).isEqualTo(TinyService.answer(service, "", 12, "what is the moon"));
        String second = assistant.answer("and the sun");
        List<Message> turns = List.of(new Message("user", "what is the moon"), new Message("assistant", first),
            new Message("user", "and the sun"));
        assertThat(second).isEqualTo(service.submit(TextRequest.chat(turns)
            .with(r -> r.limits = new TextRequest.Limits(12, List.of(), null))).text());
        assertThat(memory.messages()).hasSize(4);
    }
}
