package io.sails4j.objective;

import io.sails4j.data.TokenSequence;
import io.sails4j.model.Labels;
import io.sails4j.model.TokenBatch;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Objects;
import java.util.stream.IntStream;

/**
 * Sequences in the rows of a batch: one a row, padded on the right to the longest, or several a row one behind the other (packed), where
 * attention stays within each and positions start anew.
 *
 * @param tokens with targets; no sequence predicts the next one's start
 * @param starts for each sequence the place of its first token in [batch * length]
 * @param ends the place after its last token
 */
public record SequenceBatch(TokenBatch tokens, int[] starts, int[] ends) {
    public static SequenceBatch of(List<TokenSequence> sequences, boolean packed) {
        int[] lengths = sequences.stream().mapToInt(TokenSequence::length).toArray();
        return placed(sequences, packed ? pack(lengths) : IntStream.range(0, lengths.length).toArray());
    }

    /** Those of the tokens. */
    public int[] targets() {
        return Objects.requireNonNull(tokens.targets());
    }

    /** The row of each sequence: the longest first, each to the first row that has room, in rows as long as the longest sequence. */
    public static int[] pack(int[] lengths) {
        int capacity = Arrays.stream(lengths).max().orElse(0);
        int[] rows = new int[lengths.length];
        int[] used = new int[lengths.length];
        IntStream.range(0, lengths.length).boxed().sorted(Comparator.comparingInt((Integer i) -> -lengths[i]).thenComparing(i -> i))
            .forEach(i -> {
                int row = 0;
                while (used[row] > 0 && used[row] + lengths[i] > capacity) {
                    row++;
                }
                used[row] += lengths[i];
                rows[i] = row;
            });
        return rows;
    }

    private static SequenceBatch placed(List<TokenSequence> sequences, int[] rows) {
        int batch = Arrays.stream(rows).max().orElse(-1) + 1;
        int length = sequences.stream().mapToInt(TokenSequence::length).max().orElse(0);
        int[] ids = new int[batch * length];
        int[] segments = new int[batch * length];
        int[] positions = new int[batch * length];
        int[] targets = new int[batch * length];
        Arrays.fill(targets, Labels.IGNORE_INDEX);
        int[] used = new int[batch];
        int[] documents = new int[batch];
        int[] starts = new int[rows.length];
        int[] ends = new int[rows.length];
        for (int i = 0; i < rows.length; i++) {
            TokenSequence sequence = sequences.get(i);
            int row = rows[i];
            starts[i] = row * length + used[row];
            ends[i] = starts[i] + sequence.length();
            used[row] += sequence.length();
            documents[row]++;
            for (int t = 0; t < sequence.length(); t++) {
                int at = starts[i] + t;
                ids[at] = sequence.ids()[t];
                segments[at] = documents[row];
                positions[at] = t;
                if (t > 0 && sequence.counted()[t]) {
                    targets[at - 1] = sequence.ids()[t];
                }
            }
        }
        return new SequenceBatch(new TokenBatch(batch, length, ids, segments, positions, targets), starts, ends);
    }
}
