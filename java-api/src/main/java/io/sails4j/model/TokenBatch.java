package io.sails4j.model;

/**
 * Token ids of a batch, row-major [batch, length].
 *
 * @param segments 0 = padding, otherwise the number of the document that the token belongs to (1 for an attention mask)
 * @param positionIds position of each token in its document, for RoPE
 */
public record TokenBatch(int batch, int length, int[] inputIds, int[] segments, int[] positionIds) {
    public TokenBatch {
        if (batch < 0 || length < 0 || inputIds.length != batch * length || segments.length != inputIds.length
            || positionIds.length != inputIds.length) {
            throw new IllegalArgumentException("batch " + batch + " x " + length + " needs arrays of that many entries, got "
                + inputIds.length + " ids, " + segments.length + " segments, " + positionIds.length + " positions");
        }
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
        java.util.Arrays.fill(mask, 1);
        return of(1, inputIds.length, inputIds, mask);
    }

    public int size() {
        return batch * length;
    }
}
