package io.sails4j.model;

import java.util.Arrays;

/** Labels turned into what each position predicts (huggingface/transformers loss_utils.py, ForCausalLMLoss). */
public final class Labels {
    /** A label that is not counted; {@code SAILS_IGNORE_INDEX} of sails.h. */
    public static final int IGNORE_INDEX = -100;

    private Labels() {
    }

    /** Position t of a row predicts labels[t + 1]; the last one predicts nothing. */
    public static int[] shifted(int batch, int length, int[] labels) {
        int[] targets = new int[labels.length];
        Arrays.fill(targets, IGNORE_INDEX);
        for (int b = 0; b < batch; b++) {
            System.arraycopy(labels, b * length + 1, targets, b * length, Math.max(0, length - 1));
        }
        return targets;
    }

    /** How many positions are counted. */
    public static int count(int[] targets) {
        return (int) Arrays.stream(targets).filter(t -> t != IGNORE_INDEX).count();
    }

    /** The same weight for every counted position. */
    public static float[] weights(int[] targets, float weight) {
        float[] weights = new float[targets.length];
        for (int i = 0; i < targets.length; i++) {
            weights[i] = targets[i] == IGNORE_INDEX ? 0 : weight;
        }
        return weights;
    }
}
