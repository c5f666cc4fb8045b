package io.sails4j.serving;

import io.sails4j.InputException;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.GenerationOptions;
import java.time.Duration;
import org.jspecify.annotations.Nullable;

/**
 * What a caller asks for.
 *
 * @param prompt token ids, with BOS
 * @param adapters that answer; those who share them share steps and what was read of prompts
 * @param timeLimit from the moment that the request is taken, waiting included; null for none
 */
public record CompletionRequest(int[] prompt, GenerationOptions options, AdapterStack adapters, @Nullable Duration timeLimit) {
    public CompletionRequest {
        prompt = prompt.clone();
        if (timeLimit != null && (timeLimit.isNegative() || timeLimit.isZero())) {
            throw new InputException("the time limit is " + timeLimit + ", expected more than nothing");
        }
    }

    /** Without adapters and without a limit of time. */
    public static CompletionRequest of(int[] prompt, GenerationOptions options) {
        return new CompletionRequest(prompt, options, AdapterStack.none(), null);
    }
}
