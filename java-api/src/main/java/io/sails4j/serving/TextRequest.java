package io.sails4j.serving;

import io.sails4j.InputException;
import io.sails4j.data.Message;
import io.sails4j.monitor.TokenWatcher;
import java.time.Duration;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A conversation to answer, or a text to continue.
 *
 * @param messages to answer by the chat template; empty where {@code prompt} is continued
 * @param prompt the text that is continued; null where {@code messages} are answered
 * @param model a name that the service knows: the model as it is, or with adapters
 * @param sampling how tokens are chosen
 * @param limits how long the answer may be, and take
 * @param watch what is told of each token
 */
public record TextRequest(List<Message> messages, @Nullable String prompt, String model, Sampling sampling, Limits limits,
    Watch watch) {
    /** More than these would be searched for in every token's text. */
    private static final int MOST_STOPS = 16;

    public TextRequest {
        messages = List.copyOf(messages);
        if (messages.isEmpty() == (prompt == null)) {
            throw new InputException("a request has " + (prompt == null ? "neither messages nor a prompt" : "messages and a prompt")
                + ", expected one of them");
        }
    }

    /**
     * How tokens are chosen; see {@link io.sails4j.model.GenerationOptions}.
     *
     * @param temperature 0 = greedy
     * @param topK 0 = all
     * @param topP 1 = all
     */
    public record Sampling(double temperature, int topK, double topP, long seed) {
        /** The likeliest token each time. */
        public static Sampling greedy() {
            return new Sampling(0, 0, 1, 0);
        }
    }

    /**
     * Where an answer ends.
     *
     * @param maxNewTokens 0 = as many as the room leaves
     * @param stop texts of which the first to come ends the answer; it is not part of it
     * @param time from the moment that the request is taken, null for none
     */
    public record Limits(int maxNewTokens, List<String> stop, @Nullable Duration time) {
        public Limits {
            stop = List.copyOf(stop);
            InputException.requireOption(maxNewTokens >= 0, "max_tokens", maxNewTokens, "0 (what the room leaves) or more");
            if (stop.size() > MOST_STOPS || stop.contains("")) {
                throw new InputException("stop has " + stop.size() + " texts" + (stop.contains("") ? ", an empty one among them" : "")
                    + ", expected at most " + MOST_STOPS + ", none of them empty");
            }
        }

        /** As long as the room allows. */
        public static Limits none() {
            return new Limits(0, List.of(), null);
        }
    }

    /**
     * What is told of each token.
     *
     * @param watcher sees its features, where the service has a monitor; null for nobody
     * @param topLogprobs how many of the likeliest tokens are told with its log probability, 0 to 20; -1 tells neither
     */
    public record Watch(@Nullable TokenWatcher watcher, int topLogprobs) {
        /** Nothing. */
        public static Watch none() {
            return new Watch(null, -1);
        }
    }

    /** A conversation, answered greedily by the service's first model. */
    public static TextRequest chat(List<Message> messages) {
        return new TextRequest(messages, null, "", Sampling.greedy(), Limits.none(), Watch.none());
    }

    /** A text, continued greedily by the service's first model. */
    public static TextRequest continuation(String prompt) {
        return new TextRequest(List.of(), prompt, "", Sampling.greedy(), Limits.none(), Watch.none());
    }

    /** Another request: {@code change} gets a builder that has this one's. */
    public TextRequest with(Consumer<Builder> change) {
        Builder builder = new Builder(this);
        change.accept(builder);
        return new TextRequest(messages, prompt, builder.model, builder.sampling, builder.limits, builder.watch);
    }

    /** The components, to be changed. */
    public static final class Builder {
        /** See {@link TextRequest#model}. */
        public String model;
        /** See {@link TextRequest#sampling}. */
        public Sampling sampling;
        /** See {@link TextRequest#limits}. */
        public Limits limits;
        /** See {@link TextRequest#watch}. */
        public Watch watch;

        private Builder(TextRequest from) {
            model = from.model;
            sampling = from.sampling;
            limits = from.limits;
            watch = from.watch;
        }
    }
}
