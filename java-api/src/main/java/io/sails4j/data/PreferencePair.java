package io.sails4j.data;

import java.util.List;

/**
 * A prompt and two answers.
 *
 * @param prompt turns that end with the user's
 * @param chosen the aligned answer
 * @param rejected the unaligned answer
 * @param line where it stands in its file, from 1
 */
public record PreferencePair(List<Message> prompt, String chosen, String rejected, long line) {
    public PreferencePair {
        prompt = List.copyOf(prompt);
    }
}
