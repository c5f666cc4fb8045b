package io.sails4j.langchain4j;

import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.langchain4j.model.chat.request.DefaultChatRequestParameters;
import io.sails4j.InputException;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * What holds for every request to a model.
 *
 * @param parameters for what a request does not say
 * @param seed of every request's random numbers; null: each request draws its own
 * @param timeLimit from the moment that a request is taken, waiting included; null for none
 * @param listeners told of requests, answers and errors
 */
public record SailsChatOptions(ChatRequestParameters parameters, @Nullable Long seed, @Nullable Duration timeLimit,
    List<ChatModelListener> listeners) {
    public SailsChatOptions {
        listeners = List.copyOf(listeners);
        InputException.requireOption(timeLimit == null || timeLimit.isPositive(), "timeLimit", String.valueOf(timeLimit),
            "more than nothing, or null for no limit");
    }

    /** The service's first model at temperature 1, without a limit. */
    public static SailsChatOptions defaults() {
        return new SailsChatOptions(DefaultChatRequestParameters.EMPTY, null, null, List.of());
    }

    /** Other options: {@code change} gets a builder that has these. */
    public SailsChatOptions with(Consumer<Builder> change) {
        Builder builder = new Builder(this);
        change.accept(builder);
        return new SailsChatOptions(builder.parameters, builder.seed, builder.timeLimit, builder.listeners);
    }

    /** The components, to be changed. */
    public static final class Builder {
        /** See {@link SailsChatOptions#parameters}. */
        public ChatRequestParameters parameters;
        /** See {@link SailsChatOptions#seed}. */
        public @Nullable Long seed;
        /** See {@link SailsChatOptions#timeLimit}. */
        public @Nullable Duration timeLimit;
        /** See {@link SailsChatOptions#listeners}. */
        public List<ChatModelListener> listeners;

        private Builder(SailsChatOptions from) {
            parameters = from.parameters;
            seed = from.seed;
            timeLimit = from.timeLimit;
            listeners = from.listeners;
        }
    }
}
