package io.sails4j.explain;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * For each feature the strongest places in flat arrays, 20 bytes a place. A model that looks back alone computes the same for the same
 * beginning of a text: such places count once, as that of the first sequence. Of equal activations the smaller sequence stays, so that the
 * order in which sequences come does not matter.
 */
final class TopPeaks {
    private static final int NONE = -1;

    private final int places;
    private final float[] activation;
    private final int[] sequence;
    private final int[] position;
    private final long[] beginning;

    TopPeaks(int features, int places) {
        this.places = places;
        int size = Math.multiplyExact(features, places);
        this.activation = new float[size];
        this.sequence = new int[size];
        this.position = new int[size];
        this.beginning = new long[size];
        Arrays.fill(sequence, NONE);
    }

    /** Sees a sequence's strongest place; {@code hash} is that of its tokens up to there. */
    void offer(int feature, int ofSequence, int at, float value, long hash) {
        int first = feature * places;
        int weakest = first;
        for (int i = first; i < first + places; i++) {
            if (sequence[i] != NONE && beginning[i] == hash) {
                if (ofSequence < sequence[i]) {
                    put(i, ofSequence, at, value, hash);
                }
                return;
            }
            weakest = weaker(i, weakest) ? i : weakest;
        }
        if (places > 0 && (sequence[weakest] == NONE || value > activation[weakest]
            || value == activation[weakest] && ofSequence < sequence[weakest])) {
            put(weakest, ofSequence, at, value, hash);
        }
    }

    private boolean weaker(int a, int b) {
        if (sequence[a] == NONE || sequence[b] == NONE) {
            return sequence[b] != NONE;
        }
        return activation[a] < activation[b] || activation[a] == activation[b] && sequence[a] > sequence[b];
    }

    private void put(int i, int ofSequence, int at, float value, long hash) {
        sequence[i] = ofSequence;
        position[i] = at;
        activation[i] = value;
        beginning[i] = hash;
    }

    List<Peak> of(int feature, int side) {
        List<Peak> found = new ArrayList<>();
        for (int i = feature * places; i < (feature + 1) * places; i++) {
            if (sequence[i] != NONE) {
                found.add(new Peak(side, sequence[i], position[i], activation[i]));
            }
        }
        return found;
    }
}
