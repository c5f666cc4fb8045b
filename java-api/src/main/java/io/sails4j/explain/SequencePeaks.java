package io.sails4j.explain;

/** Where in one sequence each feature is strongest; the arrays are used again for the next sequence. */
final class SequencePeaks {
    private final float[] activation;
    private final int[] position;
    private final int[] active;
    private int size;

    SequencePeaks(int features) {
        this.activation = new float[features];
        this.position = new int[features];
        this.active = new int[features];
    }

    /** Sees an active token; the first of equal ones stays. */
    void see(int feature, int at, float value) {
        if (activation[feature] == 0) {
            active[size++] = feature;
        } else if (value <= activation[feature]) {
            return;
        }
        activation[feature] = value;
        position[feature] = at;
    }

    /** Hands the peaks on and forgets them. */
    void drain(Activations.Visitor visitor) {
        for (int i = 0; i < size; i++) {
            visitor.visit(position[active[i]], active[i], activation[active[i]]);
            activation[active[i]] = 0;
        }
        size = 0;
    }
}
