package io.sails4j.langchain4j;

import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.ModelNotFoundException;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.DefaultChatRequestParameters;
import dev.langchain4j.model.chat.request.ResponseFormatType;
import dev.langchain4j.model.chat.request.ToolChoice;
import io.sails4j.serving.TextRequest;
import io.sails4j.serving.TextService;
import java.util.List;
import java.util.concurrent.ThreadLocalRandom;
import org.jspecify.annotations.Nullable;

/** A request of LangChain4j as one of a service. What would change an answer and is not known here is refused, and never passed over. */
final class AskedChat {
    private AskedChat() {
    }

    /**
     * The request, with the name of the model that answers it.
     *
     * @throws UnsupportedFeatureException where a parameter or a message asks for what there is not
     * @throws InvalidRequestException where a parameter has a value that it cannot have
     * @throws ModelNotFoundException where the service has no model of that name
     */
    static TextRequest of(ChatRequest asked, TextService service, SailsChatOptions options) {
        ChatRequestParameters parameters = asked.parameters();
        requireKnown(parameters);
        Integer longest = parameters.maxOutputTokens();
        if (longest != null && longest < 1) {
            throw new InvalidRequestException("maxOutputTokens is " + longest + ", expected 1 or more");
        }
        List<String> stops = parameters.stopSequences();
        long seed = options.seed() == null ? ThreadLocalRandom.current().nextLong() : options.seed();
        return TextRequest.chat(ChatTurns.of(asked.messages())).with(r -> {
            r.model = model(parameters.modelName(), service.names());
            r.sampling = new TextRequest.Sampling(or(parameters.temperature(), 1.0), or(parameters.topK(), 0),
                or(parameters.topP(), 1.0), seed);
            r.limits = new TextRequest.Limits(or(longest, 0), stops, options.timeLimit());
        });
    }

    private static <T> T or(@Nullable T value, T otherwise) {
        return value == null ? otherwise : value;
    }

    private static String model(@Nullable String name, List<String> names) {
        if (name != null && !names.contains(name)) {
            throw new ModelNotFoundException("there is no model '" + name + "', expected one of " + String.join(", ", names));
        }
        return or(name, names.getFirst());
    }

    private static void requireKnown(ChatRequestParameters parameters) {
        if (parameters.getClass() != DefaultChatRequestParameters.class) {
            // They say more than is asked for here.
            throw new UnsupportedFeatureException("the parameters are " + parameters.getClass().getSimpleName()
                + ", which this model does not know; expected those of ChatRequestParameters.builder()");
        }
        refuseUnlessZero("frequencyPenalty", parameters.frequencyPenalty());
        refuseUnlessZero("presencePenalty", parameters.presencePenalty());
        if (!parameters.toolSpecifications().isEmpty()) {
            throw new UnsupportedFeatureException("toolSpecifications has '" + parameters.toolSpecifications().getFirst().name()
                + "', and this model does not know tools; leave it out");
        }
        if (parameters.toolChoice() == ToolChoice.REQUIRED) {
            throw new UnsupportedFeatureException("toolChoice is REQUIRED, and this model does not know tools; leave it out");
        }
        if (parameters.responseFormat() != null && parameters.responseFormat().type() != ResponseFormatType.TEXT) {
            throw new UnsupportedFeatureException(
                "responseFormat is " + parameters.responseFormat().type() + ", which this model cannot promise; expected TEXT");
        }
    }

    private static void refuseUnlessZero(String name, @Nullable Double penalty) {
        if (penalty != null && penalty != 0) {
            throw new UnsupportedFeatureException(name + " is " + penalty + ", which this model cannot do; leave it out, or say 0");
        }
    }
}
