package io.sails4j.saetrain;

import io.sails4j.tensor.Tensor;
import java.util.Arrays;

/**
 * Sparse codes of some vectors on the host, with room for what an objective makes of them. Slots past a count mean nothing.
 *
 * @param indices ids on the device [tokens, capacity] I32, the same as {@code ids}
 * @param ids rising in each row
 * @param z pre-activations [tokens * capacity]
 * @param acts activations; 0 where a pre-activation is known but its feature is not active
 * @param dActs gradient of the activations
 * @param dz gradient of the pre-activations
 */
record CodeBlock(Tensor indices, int capacity, int[] counts, int[] ids, float[] z, float[] acts, float[] dActs, float[] dz) {
    static CodeBlock of(Tensor indices, int[] counts, int[] ids, float[] z) {
        return new CodeBlock(indices, Math.toIntExact(indices.dim(1)), counts, ids, z, new float[z.length], new float[z.length],
            new float[z.length]);
    }

    int tokens() {
        return counts.length;
    }

    /** Sees the slots that hold a code. */
    @FunctionalInterface
    interface Visitor {
        void visit(int slot, int feature);
    }

    /** Every code, vector after vector, ids rising. */
    void forEach(Visitor visitor) {
        for (int t = 0; t < counts.length; t++) {
            int from = t * capacity;
            for (int j = from; j < from + counts[t]; j++) {
                visitor.visit(j, ids[j]);
            }
        }
    }

    /** How many codes of each vector are of features below a width. */
    int[] countsBelow(int width) {
        int[] below = new int[counts.length];
        for (int t = 0; t < counts.length; t++) {
            int from = t * capacity;
            int at = Arrays.binarySearch(ids, from, from + counts[t], width);
            below[t] = (at < 0 ? -at - 1 : at) - from;
        }
        return below;
    }

    /** Adds gradients of the activations of the first codes of each vector. */
    void addDActs(float[] gradients, int[] ofFirst) {
        for (int t = 0; t < ofFirst.length; t++) {
            for (int j = t * capacity; j < t * capacity + ofFirst[t]; j++) {
                dActs[j] += gradients[j];
            }
        }
    }
}
