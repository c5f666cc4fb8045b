package io.sails4j.data;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * A tokenised dialogue.
 *
 * @param counted which tokens are the answer: they are trained on and their features are counted
 * @param origin where in the data it comes from, null where nobody said
 */
public record TokenSequence(int[] ids, boolean[] counted, @Nullable Origin origin) {
    /** A sequence of which nobody says where it comes from. */
    public TokenSequence(int[] ids, boolean[] counted) {
        this(ids, counted, null);
    }

    /** A prompt and its answer, of which the answer is counted. */
    public static TokenSequence answered(int[] prompt, int[] answer, @Nullable Origin origin) {
        int[] ids = Arrays.copyOf(prompt, prompt.length + answer.length);
        System.arraycopy(answer, 0, ids, prompt.length, answer.length);
        boolean[] counted = new boolean[ids.length];
        Arrays.fill(counted, prompt.length, ids.length, true);
        return new TokenSequence(ids, counted, origin);
    }

    public TokenSequence {
        if (ids.length != counted.length) {
            throw new IllegalArgumentException(ids.length + " ids and " + counted.length + " marks");
        }
    }

    /** Number of tokens. */
    public int length() {
        return ids.length;
    }

    /** How many of them are counted. */
    public int countedTokens() {
        int n = 0;
        for (boolean c : counted) {
            n += c ? 1 : 0;
        }
        return n;
    }

    /** Counted tokens after the first, which no position predicts. */
    public int predictedCount() {
        return countedTokens() - (counted.length > 0 && counted[0] ? 1 : 0);
    }
}
