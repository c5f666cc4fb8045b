package io.sails4j.data;

import io.sails4j.InputException;

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
}
