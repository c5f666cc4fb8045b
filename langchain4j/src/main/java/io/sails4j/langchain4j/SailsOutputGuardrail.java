package io.sails4j.langchain4j;

import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.exception.NonRetriableException;
import dev.langchain4j.guardrail.GuardrailRequestParams;
import dev.langchain4j.guardrail.OutputGuardrail;
import dev.langchain4j.guardrail.OutputGuardrailRequest;
import dev.langchain4j.guardrail.OutputGuardrailResult;
import dev.langchain4j.memory.ChatMemory;
import dev.langchain4j.model.input.PromptTemplate;
import io.sails4j.data.Message;
import io.sails4j.monitor.MonitorReport;
import io.sails4j.serving.TextService;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Lets an answer through where a service's monitor raises no alarm at it. The service reads the conversation and the answer once more, and
 * its rules look at the tokens that they are for; which model wrote the answer does not matter. Where a rule raises an alarm, the result is
 * fatal, or asks again with another prompt, and its sentence names the rule, the place, the value and the features.
 *
 * <p>The conversation is that of the chat memory. Without one it is the user's message as the AI service makes it; without that, too, an
 * empty message. An answer that cannot be read (a full queue, a service without a monitor, a closed one, turns that the template does not
 * know) is an exception, which LangChain4j makes an {@link dev.langchain4j.guardrail.OutputGuardrailException}: it is not let through.
 */
public final class SailsOutputGuardrail implements OutputGuardrail {
    private final TextService service;
    private final Options options;

    /**
     * How it judges and what it does.
     *
     * @param model that reads, a name that the service knows; empty for its first
     * @param reprompt what is asked after an alarm; null: an alarm is fatal
     */
    public record Options(String model, @Nullable String reprompt) {
        /** The service's first model; an alarm is fatal. */
        public static Options defaults() {
            return new Options("", null);
        }

        /** Other options: {@code change} gets a builder that has these. */
        public Options with(Consumer<Builder> change) {
            Builder builder = new Builder(this);
            change.accept(builder);
            return new Options(builder.model, builder.reprompt);
        }

        /** The components, to be changed. */
        public static final class Builder {
            /** See {@link Options#model}. */
            public String model;
            /** See {@link Options#reprompt}. */
            public @Nullable String reprompt;

            private Builder(Options from) {
                model = from.model;
                reprompt = from.reprompt;
            }
        }
    }

    /** With {@link Options#defaults}. */
    public SailsOutputGuardrail(TextService service) {
        this(service, Options.defaults());
    }

    /** With a model and a prompt of choice; the service stays the caller's to close. */
    public SailsOutputGuardrail(TextService service, Options options) {
        this.service = service;
        this.options = options;
    }

    /** Reads an answer alone, behind an empty message. */
    @Override
    public OutputGuardrailResult validate(AiMessage answer) {
        return judge(List.of(new Message("user", "")), answer);
    }

    /** Reads an answer behind its conversation. */
    @Override
    public OutputGuardrailResult validate(OutputGuardrailRequest request) {
        return judge(before(request.requestParams()), request.responseFromLLM().aiMessage());
    }

    private static List<Message> before(GuardrailRequestParams parameters) {
        ChatMemory memory = parameters.chatMemory();
        if (memory == null) {
            String template = parameters.userMessageTemplate();
            Map<String, Object> variables = parameters.variables();
            return List.of(new Message("user", template == null ? "" : PromptTemplate.from(template).apply(variables).text()));
        }
        List<ChatMessage> messages = memory.messages();
        // The memory has the first answer already, and no later one.
        boolean answered = !messages.isEmpty() && messages.getLast() instanceof AiMessage;
        return ChatTurns.of(answered ? messages.subList(0, messages.size() - 1) : messages);
    }

    private OutputGuardrailResult judge(List<Message> before, AiMessage answer) {
        List<Message> conversation = new ArrayList<>(before);
        conversation.add(ChatTurns.answer(answer, "the answer"));
        MonitorReport report;
        try {
            report = service.check(conversation, options.model);
        } catch (InterruptedException e) {
            Thread.currentThread().interrupt();
            throw new NonRetriableException("the thread was interrupted while an answer was checked", e);
        }
        if (!report.alarmed()) {
            return success();
        }
        return options.reprompt == null ? fatal(report.sentence()) : reprompt(report.sentence(), options.reprompt);
    }
}
