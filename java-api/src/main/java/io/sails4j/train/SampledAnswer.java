package io.sails4j.train;

import io.sails4j.data.TokenPrompt;

/**
 * An answer that the model in training has given.
 *
 * @param text without control tokens
 * @param tokens that it has, the one that ends it among them
 * @param ended whether the model ended it, and not the number of tokens
 */
public record SampledAnswer(TokenPrompt prompt, String text, int tokens, boolean ended) {
}
