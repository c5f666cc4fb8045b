package io.sails4j.train;

import io.sails4j.data.TokenSequence;
import io.sails4j.model.TokenBatch;
import java.util.Arrays;
import java.util.List;

/**
 * Sequences padded on the right to the longest.
 *
 * @param targets [batch, length]: the id that each position predicts, -100 where it is not counted
 */
record SequenceBatch(TokenBatch tokens, int[] targets) {
    static SequenceBatch of(List<TokenSequence> sequences) {
        int batch = sequences.size();
        int length = sequences.stream().mapToInt(TokenSequence::length).max().orElse(0);
        int[] ids = new int[batch * length];
        int[] mask = new int[batch * length];
        int[] labels = new int[batch * length];
        Arrays.fill(labels, Targets.IGNORED);
        for (int b = 0; b < batch; b++) {
            TokenSequence sequence = sequences.get(b);
            for (int t = 0; t < sequence.length(); t++) {
                ids[b * length + t] = sequence.ids()[t];
                mask[b * length + t] = 1;
                labels[b * length + t] = sequence.counted()[t] ? sequence.ids()[t] : Targets.IGNORED;
            }
        }
        return new SequenceBatch(TokenBatch.of(batch, length, ids, mask), Targets.shifted(batch, length, labels));
    }
}
