package io.sails4j.data;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;

/**
 * A prompt as a model's tokens, to be answered.
 *
 * @param ids up to the opening of the answer
 * @param request what the user asked last, as text, for whoever judges answers
 * @param wanted what a good model does with it
 * @param origin where it stands
 */
public record TokenPrompt(int[] ids, String request, Wanted wanted, Origin origin) {
    public TokenPrompt {
        if (ids.length == 0) {
            throw new InputException(origin + " has a prompt without tokens; it needs at least the BOS token");
        }
    }

    /**
     * An error where a model has no positions for a prompt and its answer.
     *
     * @param tokens of the prompt
     * @param newTokens that the answer has at most
     * @param origin of the prompt, for the message
     */
    public static void requireRoom(int tokens, int newTokens, ModelConfig model, Origin origin) {
        int most = model.maxPositionEmbeddings();
        if ((long) tokens + newTokens > most) {
            throw new InputException(origin + " has a prompt of " + tokens + " tokens, which with max_new_tokens=" + newTokens
                + " exceeds the model's max_position_embeddings of " + most + "; leave the prompt out, or ask for fewer tokens");
        }
    }
}
