package io.sails4j.saetrain;

import io.sails4j.ops.SaeActivation;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Arrays;

/**
 * The k n largest pre-activations of a batch of n vectors (arXiv:2412.06410, section 2), found without those of all features: what lies
 * above a guess is encoded, and where that is too little the guess is lowered. For inference a threshold takes the batch's place: the mean,
 * over the last steps, of the smallest activation that was chosen.
 */
final class BatchChoice {
    /** Of the running mean, as in SAELens (topk_threshold_lr = 0.01): what is older than some hundred steps does not count. */
    private static final double BETA = 0.99;
    /** Above the last step's smallest: little has to be sorted, and seldom is it too little. */
    private static final double BELOW_LAST = 0.8;

    private final CodeSource source;
    private final SaeParameters parameters;
    private final int width;
    private final int k;
    private double guess = Double.NaN;
    private double mean;
    private double weight;

    BatchChoice(CodeSource source, SaeParameters parameters, int width, int k) {
        this.source = source;
        this.parameters = parameters;
        this.width = width;
        this.k = k;
    }

    /** Its numbers, for a checkpoint. */
    double[] state() {
        return new double[] {guess, mean, weight};
    }

    void restore(double[] state) {
        guess = state[0];
        mean = state[1];
        weight = state[2];
    }

    /** The threshold for inference, in the units of the pre-activations. */
    double threshold() {
        return weight == 0 ? 0 : mean / weight;
    }

    /** The chosen codes of xin [n, d_in]; all of its vectors at once. */
    CodeBlock choose(Tensor xin, TensorArena memory) {
        long wanted = xin.dim(0) * k;
        // Pre-activations are about normal at the start, of the length of a vector that has sqrt(d_in).
        double from = Double.isNaN(guess) ? 4 : guess * BELOW_LAST;
        int room = Math.min(width, 4 * k);
        while (true) {
            TensorArena.Mark mark = memory.mark();
            float[] threshold = new float[width];
            Arrays.fill(threshold, (float) from);
            Sparsifier.Asked asked = new Sparsifier.Asked(SaeActivation.JUMPRELU, memory.of(threshold, width), 0);
            CodeBlock found = source.encode(xin, asked, parameters.value(SaeParameters.B_ENC), room, memory);
            int most = Arrays.stream(found.counts()).max().orElse(0);
            long all = Arrays.stream(found.counts()).asLongStream().sum();
            if (most > room) {
                room = Math.min(width, most + most / 4);
            } else if (all < wanted && from > 0) {
                from = from < 1e-3 ? 0 : from * BELOW_LAST;
            } else {
                return above(found, smallest(found, wanted), memory);
            }
            memory.release(mark);
        }
    }

    private float smallest(CodeBlock found, long wanted) {
        float[] all = new float[(int) Arrays.stream(found.counts()).asLongStream().sum()];
        int[] at = new int[1];
        found.forEach((slot, _) -> all[at[0]++] = found.z()[slot]);
        if (all.length == 0) {
            return 0;
        }
        Arrays.parallelSort(all);
        float smallest = all[(int) Math.max(0, all.length - wanted)];
        guess = smallest;
        mean = BETA * mean + (1 - BETA) * smallest;
        weight = BETA * weight + 1 - BETA;
        return smallest;
    }

    private static CodeBlock above(CodeBlock found, float smallest, TensorArena memory) {
        int[] counts = new int[found.tokens()];
        for (int t = 0; t < counts.length; t++) {
            for (int j = t * found.capacity(); j < t * found.capacity() + found.counts()[t]; j++) {
                counts[t] += found.z()[j] >= smallest ? 1 : 0;
            }
        }
        int capacity = Math.max(1, Arrays.stream(counts).max().orElse(0));
        int[] ids = new int[counts.length * capacity];
        float[] z = new float[ids.length];
        for (int t = 0; t < counts.length; t++) {
            int to = t * capacity;
            for (int j = t * found.capacity(); j < t * found.capacity() + found.counts()[t]; j++) {
                if (found.z()[j] >= smallest) {
                    ids[to] = found.ids()[j];
                    z[to++] = found.z()[j];
                }
            }
        }
        return CodeBlock.of(memory.of(ids, counts.length, capacity), counts, ids, z);
    }
}
