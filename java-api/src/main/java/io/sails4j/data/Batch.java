package io.sails4j.data;

import io.sails4j.model.TokenBatch;
import java.util.Arrays;
import java.util.List;

/**
 * Sequences padded on the right to one length.
 *
 * @param labels [batch * length]: the token where it is counted, else -100
 */
public record Batch(TokenBatch tokens, int[] labels) {
    private static final int IGNORED = -100;

    public static Batch rightPadded(List<TokenSequence> sequences, int padId) {
        int length = sequences.stream().mapToInt(TokenSequence::length).max().orElse(0);
        int[] ids = new int[sequences.size() * length];
        int[] mask = new int[ids.length];
        int[] labels = new int[ids.length];
        Arrays.fill(ids, padId);
        Arrays.fill(labels, IGNORED);
        for (int b = 0; b < sequences.size(); b++) {
            TokenSequence sequence = sequences.get(b);
            System.arraycopy(sequence.ids(), 0, ids, b * length, sequence.length());
            Arrays.fill(mask, b * length, b * length + sequence.length(), 1);
            for (int t = 0; t < sequence.length(); t++) {
                if (sequence.counted()[t]) {
                    labels[b * length + t] = sequence.ids()[t];
                }
            }
        }
        return new Batch(TokenBatch.of(sequences.size(), length, ids, mask), labels);
    }

    /** Real tokens, without padding. */
    public long realTokens() {
        return Arrays.stream(tokens.segments()).filter(s -> s != 0).count();
    }
}
