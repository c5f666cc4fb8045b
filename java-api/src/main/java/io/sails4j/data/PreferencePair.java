package io.sails4j.data;

import java.util.List;

/**
 * A prompt and two answers.
 *
 * @param prompt turns that end with the user's
 * @param chosen the aligned answer
 * @param rejected the unaligned answer
 * @param origin the line of its file
 */
public record PreferencePair(List<Message> prompt, String chosen, String rejected, Origin origin) {
    public PreferencePair {
        prompt = List.copyOf(prompt);
    }
}
