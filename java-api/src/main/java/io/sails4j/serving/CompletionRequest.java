package io.sails4j.serving;

import io.sails4j.InputException;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.TokenLogprobs;
import io.sails4j.monitor.TokenWatcher;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What a caller asks for.
 *
 * @param prompt token ids, with BOS
 * @param adapters that answer; those who share them share steps and what was read of prompts
 * @param timeLimit from the moment that the request is taken, waiting included; null for none
 * @param watch how a scheduler with a monitor watches it
 */
public record CompletionRequest(int[] prompt, GenerationOptions options, AdapterStack adapters, @Nullable Duration timeLimit, Watch watch) {
    /** As many of the likeliest tokens as OpenAI's interface tells. */
    private static final int MOST_LOGPROBS = 20;

    public CompletionRequest {
        prompt = prompt.clone();
        if (timeLimit != null && (timeLimit.isNegative() || timeLimit.isZero())) {
            throw new InputException("the time limit is " + timeLimit + ", expected more than nothing");
        }
        if (watch.answerFrom() > prompt.length) {
            throw new InputException("the answer begins at token " + watch.answerFrom() + " of a prompt of " + prompt.length + " tokens");
        }
    }

    /**
     * How a request is watched.
     *
     * @param answerFrom the prompt's token from which on rules take tokens for the answer's: another's answer stands in the prompt; -1
     *        where the prompt has none
     * @param watcher sees the features of each token, on the scheduler's thread, which waits for it; null for nobody
     * @param topLogprobs how many of the likeliest tokens are told with each token and its log probability, see {@link TokenLogprobs}; -1
     *        tells neither
     */
    public record Watch(int answerFrom, @Nullable TokenWatcher watcher, int topLogprobs) {
        public Watch {
            InputException.requireOption(topLogprobs >= -1 && topLogprobs <= MOST_LOGPROBS, "top_logprobs", topLogprobs,
                "-1 (none) to " + MOST_LOGPROBS);
        }

        /** By the monitor's rules alone. */
        public static Watch plain() {
            return new Watch(-1, null, -1);
        }
    }

    /** Watched plainly. */
    public CompletionRequest(int[] prompt, GenerationOptions options, AdapterStack adapters, @Nullable Duration timeLimit) {
        this(prompt, options, adapters, timeLimit, Watch.plain());
    }

    /** Without adapters and without a limit of time. */
    public static CompletionRequest of(int[] prompt, GenerationOptions options) {
        return new CompletionRequest(prompt, options, AdapterStack.none(), null);
    }
}
