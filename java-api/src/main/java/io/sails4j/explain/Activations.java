package io.sails4j.explain;

import io.sails4j.sae.SparseCodes;
import java.util.Arrays;

/**
 * The active features of some tokens of one sequence, on the host.
 *
 * @param positions of the tokens in their sequence, rising
 * @param codes of the batch that the sequence is part of
 * @param from the row of the first of these tokens among the batch's
 */
record Activations(int[] positions, Codes codes, int from) {
    /**
     * Codes of a batch.
     *
     * @param indices [rows * capacity] feature ids, rising in each row
     * @param values [rows * capacity]
     * @param counts [rows]
     */
    record Codes(int[] indices, float[] values, int[] counts, int capacity) {
        static Codes of(SparseCodes codes) {
            return new Codes(codes.indices().toIntArray(), codes.values().toFloatArray(), codes.counts().toIntArray(),
                Math.toIntExact(codes.capacity()));
        }
    }

    /** Sees one active feature of one token. */
    @FunctionalInterface
    interface Visitor {
        void visit(int position, int feature, float activation);
    }

    int tokens() {
        return positions.length;
    }

    /** Every active feature, token after token, ids rising. */
    void forEach(Visitor visitor) {
        for (int row = 0; row < positions.length; row++) {
            int at = (from + row) * codes.capacity;
            for (int j = 0; j < codes.counts[from + row]; j++) {
                visitor.visit(positions[row], codes.indices[at + j], codes.values[at + j]);
            }
        }
    }

    /** A feature's activation on the token at a position, 0 where it is not active or the token is not among these. */
    float at(int position, int feature) {
        int row = Arrays.binarySearch(positions, position);
        if (row < 0) {
            return 0;
        }
        int at = (from + row) * codes.capacity;
        int found = Arrays.binarySearch(codes.indices, at, at + codes.counts[from + row], feature);
        return found < 0 ? 0 : codes.values[found];
    }
}
