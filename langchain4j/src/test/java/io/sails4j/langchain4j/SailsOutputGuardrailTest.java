package io.sails4j.langchain4j;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.guardrail.OutputGuardrailException;
import dev.langchain4j.guardrail.OutputGuardrailResult;
import dev.langchain4j.memory.chat.MessageWindowChatMemory;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.response.ChatResponse;
import dev.langchain4j.model.output.FinishReason;
import dev.langchain4j.service.AiServices;
import io.sails4j.InputException;
import io.sails4j.data.Message;
import io.sails4j.monitor.Action;
import io.sails4j.monitor.Monitor;
import io.sails4j.monitor.MonitorReport;
import io.sails4j.monitor.Part;
import io.sails4j.monitor.Rule;
import io.sails4j.monitor.Signal;
import io.sails4j.monitor.Trigger;
import io.sails4j.sae.Sae;
import io.sails4j.serving.TextService;
import java.nio.file.Path;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** The signal is the sum of all features of a random SAE: always there, and different for every text. */
@Timeout(120)
class SailsOutputGuardrailTest {
    private static final String QUESTION = "what is the moon";

    @TempDir
    private static Path directory;
    private static TinyService tiny;
    private static Sae sae;

    @BeforeAll
    static void open() {
        tiny = new TinyService(directory);
        sae = tiny.sae();
    }

    @AfterAll
    static void close() {
        sae.close();
        tiny.close();
    }

    private static Rule rule(double threshold, Action action) {
        Signal signal = new Signal(1, IntStream.range(0, 64).mapToObj(feature -> new Signal.Term(feature, 1)).toList());
        return new Rule("loud", signal, Part.ANSWER, new Trigger(Trigger.Side.ABOVE, threshold, threshold, 1), action);
    }

    /** What watches a service of its own. */
    private interface Use {
        void of(TextService service) throws Exception;
    }

    private static void with(double threshold, Action action, Use use) throws Exception {
        try (Monitor monitor = tiny.monitor(sae, rule(threshold, action)); TextService service = tiny.open(2, monitor)) {
            use.of(service);
        }
    }

    private static SailsChatModel model(TextService service) {
        return new SailsChatModel(service, SailsChatOptions.defaults()
            .with(o -> o.parameters = ChatRequestParameters.builder().temperature(0.0).maxOutputTokens(12).build()));
    }

    /** What LangChain4j makes a service of. */
    interface Assistant {
        String answer(String question);
    }

    @Test
    void whatRaisesNoAlarmPasses() throws Exception {
        with(1e9, new Action.Alarm(), service -> {
            assertThat(new SailsOutputGuardrail(service).validate(AiMessage.from("the moon is a moon")).isSuccess()).isTrue();
            Assistant assistant = AiServices.builder(Assistant.class).chatModel(model(service))
                .outputGuardrails(new SailsOutputGuardrail(service)).build();
            assertThat(assistant.answer(QUESTION)).isEqualTo(TinyService.answer(service, "", 12, QUESTION));
        });
    }

    @Test
    void anAlarmIsFatalAndItsSentenceNamesRuleAndFeatures() throws Exception {
        with(0.01, new Action.Alarm(), service -> {
            OutputGuardrailResult result = new SailsOutputGuardrail(service).validate(AiMessage.from("the moon is a moon"));
            MonitorReport report = service.check(List.of(new Message("user", ""), new Message("assistant", "the moon is a moon")), "");
            assertThat(result.isFatal()).isTrue();
            assertThat(result.toString()).contains(report.sentence());
            assertThat(report.sentence()).contains("loud", "of the answer", "features 1:");
        });
    }

    /** With a memory and without one the answer is read behind the question, and not alone. */
    @Test
    void theConversationIsThatOfTheServiceThatAsks() throws Exception {
        with(0.01, new Action.Alarm(), service -> {
            SailsChatModel model = model(service);
            String answer = model.chat(QUESTION);
            String expected = service.check(List.of(new Message("user", QUESTION), new Message("assistant", answer)), "").sentence();
            assertThat(expected).isNotEqualTo(service.check(List.of(new Message("user", ""), new Message("assistant", answer)), "")
                .sentence());
            MessageWindowChatMemory memory = MessageWindowChatMemory.withMaxMessages(10);
            AiServices<Assistant> services = AiServices.builder(Assistant.class).chatModel(model)
                .outputGuardrails(new SailsOutputGuardrail(service));
            assertThatThrownBy(() -> services.build().answer(QUESTION)).isInstanceOf(OutputGuardrailException.class)
                .hasMessageContaining(expected);
            Assistant remembers = services.chatMemory(memory).build();
            assertThatThrownBy(() -> remembers.answer(QUESTION)).isInstanceOf(OutputGuardrailException.class)
                .hasMessageContaining(expected);
            assertThat(memory.messages()).hasSize(2);
        });
    }

    @Test
    void anAlarmCanAskAgain() throws Exception {
        with(0.01, new Action.Alarm(), service -> {
            OutputGuardrailResult result = new SailsOutputGuardrail(service, SailsOutputGuardrail.Options.defaults().with(o -> {
                o.model = "tuned";
                o.reprompt = "say it otherwise";
            })).validate(AiMessage.from("a moon"));
            assertThat(result.isReprompt()).isTrue();
            assertThat(result.getReprompt()).hasValue("say it otherwise");
            assertThat(result.toString()).contains(service.check(List.of(new Message("user", ""), new Message("assistant", "a moon")),
                "tuned").sentence());
        });
    }

    @Test
    void aRuleThatStopsIsAContentFilterWithItsReason() throws Exception {
        with(0.01, new Action.Stop(), service -> {
            ChatResponse response = model(service).chat(ChatRequest.builder().messages(UserMessage.from(QUESTION)).build());
            assertThat(response.finishReason()).isEqualTo(FinishReason.CONTENT_FILTER);
            assertThat(response.tokenUsage().outputTokenCount()).isLessThan(12);
            SailsChatResponseMetadata metadata = (SailsChatResponseMetadata) response.metadata();
            assertThat(metadata.monitor().sentence()).contains("loud is on");
            assertThat(metadata.toBuilder().build()).isEqualTo(metadata).hasSameHashCodeAs(metadata);
            assertThat(metadata.toBuilder().monitor(new MonitorReport(List.of())).build()).isNotEqualTo(metadata);
        });
    }

    @Test
    void whatCannotBeReadIsNotLetThrough() throws Exception {
        try (TextService unwatched = tiny.open(1)) {
            SailsOutputGuardrail guardrail = new SailsOutputGuardrail(unwatched);
            assertThatThrownBy(() -> guardrail.validate(AiMessage.from("a"))).isInstanceOf(InputException.class)
                .hasMessageContaining("no monitor");
            Assistant assistant = AiServices.builder(Assistant.class).chatModel(model(unwatched)).outputGuardrails(guardrail).build();
            assertThatThrownBy(() -> assistant.answer(QUESTION)).isInstanceOf(OutputGuardrailException.class)
                .hasMessageContaining("no monitor");
        }
    }
}
