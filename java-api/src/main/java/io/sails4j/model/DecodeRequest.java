package io.sails4j.model;

import org.jspecify.annotations.Nullable;

/**
 * What a sequence of a {@link BatchDecoder} begins with.
 *
 * @param prompt token ids
 * @param number from which, beside the seed, its random numbers follow
 * @param listener who looks at what the decoder's probe reads of it, null for nobody
 * @param topLogprobs how many of the likeliest tokens are told with each chosen one and its log probability; -1 tells neither. Each step
 *        brings the sequence's logits to the host then
 */
public record DecodeRequest(int[] prompt, AdapterStack adapters, GenerationOptions options, long number,
    StreamProbe.@Nullable Listener listener, int topLogprobs) {
    public DecodeRequest {
        prompt = prompt.clone();
    }

    /** Without a listener and without log probabilities. */
    public DecodeRequest(int[] prompt, AdapterStack adapters, GenerationOptions options, long number) {
        this(prompt, adapters, options, number, null, -1);
    }

    /** Tokens that the sequence may come to have. */
    int mostTokens() {
        return prompt.length + options.maxNewTokens();
    }

    /** The same with somebody who looks at what the probe reads. */
    public DecodeRequest listenedBy(StreamProbe.Listener other) {
        return new DecodeRequest(prompt, adapters, options, number, other, topLogprobs);
    }
}
