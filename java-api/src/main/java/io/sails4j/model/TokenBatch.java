package io.sails4j.model;

import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/**
 * Token ids of a batch on the host, row-major [batch, length].
 *
 * @param segments 0 = padding, otherwise the number of the document that the token belongs to (1 for an attention mask)
 * @param positionIds position of each token in its document, for RoPE
 * @param targets the id that each position predicts, {@link Labels#IGNORE_INDEX} where it is not counted; null where no loss is asked for
 */
public record TokenBatch(int batch, int length, int[] inputIds, int[] segments, int[] positionIds, int @Nullable [] targets) {
    public TokenBatch {
        if (batch < 0 || length < 0 || inputIds.length != batch * length || segments.length != inputIds.length
            || positionIds.length != inputIds.length || targets != null && targets.length != inputIds.length) {
            throw new IllegalArgumentException("batch " + batch + " x " + length + " needs arrays of that many entries, got "
                + inputIds.length + " ids, " + segments.length + " segments, " + positionIds.length + " positions"
                + (targets == null ? "" : ", " + targets.length + " targets"));
        }
    }

    /** A batch without targets. */
    public TokenBatch(int batch, int length, int[] inputIds, int[] segments, int[] positionIds) {
        this(batch, length, inputIds, segments, positionIds, null);
    }

    /** Positions count the real tokens of each row, so left and right padding both work. */
    public static TokenBatch of(int batch, int length, int[] inputIds, int[] attentionMask) {
        int[] positions = new int[inputIds.length];
        for (int b = 0; b < batch; b++) {
            int next = 0;
            for (int t = 0; t < length; t++) {
                positions[b * length + t] = Math.max(0, attentionMask[b * length + t] == 0 ? next - 1 : next++);
            }
        }
        return new TokenBatch(batch, length, inputIds, attentionMask, positions);
    }

    /** One sequence without padding. */
    public static TokenBatch of(int[] inputIds) {
        int[] mask = new int[inputIds.length];
        Arrays.fill(mask, 1);
        return of(1, inputIds.length, inputIds, mask);
    }

    /** The same tokens with a label each: position t of a row predicts labels[t + 1]. */
    public TokenBatch withLabels(int[] labels) {
        return new TokenBatch(batch, length, inputIds, segments, positionIds, Labels.shifted(batch, length, labels));
    }

    /** One more than the largest position id: so many positions the model must have. */
    public long positions() {
        return Arrays.stream(positionIds).max().orElse(-1) + 1L;
    }

    /** Positions, padding included: batch * length. */
    public int size() {
        return batch * length;
    }
}
