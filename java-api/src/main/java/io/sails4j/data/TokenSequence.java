package io.sails4j.data;

/**
 * A tokenised dialogue.
 *
 * @param counted which tokens are the answer: they are trained on and their features are counted
 */
public record TokenSequence(int[] ids, boolean[] counted) {
    public TokenSequence {
        if (ids.length != counted.length) {
            throw new IllegalArgumentException(ids.length + " ids and " + counted.length + " marks");
        }
    }

    public int length() {
        return ids.length;
    }

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
