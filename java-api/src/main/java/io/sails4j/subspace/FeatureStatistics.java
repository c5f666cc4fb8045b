package io.sails4j.subspace;

import io.sails4j.InputException;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SparseCodes;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;

/** Sums one SAE's activations over aligned and unaligned tokens as batches stream by; in double. */
public final class FeatureStatistics implements AutoCloseable {
    private static final int CLASSES = 2;

    private final Engine engine;
    private final Pooling pool;
    private final int dSae;
    private final Tensor sum;
    private final double[] weight = new double[CLASSES];

    /** Sums for so many features, on the engine's device. */
    public FeatureStatistics(Engine engine, long dSae, Pooling pool) {
        this.engine = engine;
        this.pool = pool;
        this.dSae = Math.toIntExact(dSae);
        this.sum = engine.device().zeros(DType.F64, Shape.of(CLASSES, dSae));
    }

    /**
     * Adds a batch of residual streams.
     *
     * @param x [batch * length, d_in] F32
     * @param sequenceClass for each sequence 0 = aligned, 1 = unaligned
     * @param counted [batch * length] which tokens count
     */
    public void add(Sae sae, Tensor x, int[] sequenceClass, boolean[] counted, TensorArena memory) {
        TokenWeights tokens = weigh(sequenceClass, counted, memory);
        sae.accumulate(sum, x, tokens.tokenClass, tokens.tokenWeight, memory);
    }

    /** Adds a batch that is encoded already; arguments as above. */
    public void add(SparseCodes codes, int[] sequenceClass, boolean[] counted, TensorArena memory) {
        TokenWeights tokens = weigh(sequenceClass, counted, memory);
        engine.ops().sae().saeAccumulate(sum, null, codes.indices(), codes.values(), codes.counts(), tokens.tokenClass, tokens.tokenWeight);
    }

    private record TokenWeights(Tensor tokenClass, Tensor tokenWeight) {
    }

    private TokenWeights weigh(int[] sequenceClass, boolean[] counted, TensorArena memory) {
        int length = sequenceClass.length == 0 ? 0 : counted.length / sequenceClass.length;
        int[] tokenClass = new int[counted.length];
        float[] tokenWeight = new float[counted.length];
        for (int b = 0; b < sequenceClass.length; b++) {
            weighSequence(b * length, length, sequenceClass[b], counted, tokenClass, tokenWeight);
        }
        return new TokenWeights(memory.of(tokenClass, tokenClass.length), memory.of(tokenWeight, tokenWeight.length));
    }

    private void weighSequence(int from, int length, int sequenceClass, boolean[] counted, int[] tokenClass, float[] tokenWeight) {
        int n = 0;
        int last = -1;
        for (int t = from; t < from + length; t++) {
            n += counted[t] ? 1 : 0;
            last = counted[t] ? t : last;
        }
        for (int t = from; t < from + length; t++) {
            boolean used = pool == Pooling.LAST ? t == last : counted[t];
            tokenClass[t] = used ? sequenceClass : -1;
            tokenWeight[t] = pool == Pooling.SEQUENCE ? 1f / Math.max(1, n) : 1;
        }
        weight[sequenceClass] += pool == Pooling.TOKEN ? n : n > 0 ? 1 : 0;
    }

    /** The means so far; an error if a side has no counted token, for which no mean exists. */
    public FeatureScores scores() {
        for (int c = 0; c < CLASSES; c++) {
            if (weight[c] == 0) {
                throw new InputException(
                    "the " + (c == 0 ? "aligned" : "unaligned") + " answers have no counted token, so there is nothing to compare");
            }
        }
        double[] sums = sum.toDoubleArray();
        double[][] means = new double[CLASSES][dSae];
        for (int c = 0; c < CLASSES; c++) {
            for (int i = 0; i < dSae; i++) {
                means[c][i] = sums[c * dSae + i] / weight[c];
            }
        }
        return new FeatureScores(means[0], means[1]);
    }

    @Override
    public void close() {
        sum.close();
    }
}
