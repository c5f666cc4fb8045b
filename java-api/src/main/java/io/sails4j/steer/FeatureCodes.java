package io.sails4j.steer;

import io.sails4j.sae.SparseCodes;
import java.util.Arrays;

/** The activations of single features in the codes of some tokens, on the host. */
final class FeatureCodes {
    private final int[] indices;
    private final float[] values;
    private final int[] counts;
    private final int capacity;

    FeatureCodes(SparseCodes codes) {
        this.indices = codes.indices().toIntArray();
        this.values = codes.values().toFloatArray();
        this.counts = codes.counts().toIntArray();
        this.capacity = Math.toIntExact(codes.capacity());
    }

    int tokens() {
        return counts.length;
    }

    /** 0 where the feature is not active. */
    float activation(int token, int feature) {
        int from = token * capacity;
        int at = Arrays.binarySearch(indices, from, from + counts[token], feature);
        return at < 0 ? 0 : values[at];
    }
}
