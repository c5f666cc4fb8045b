package io.sails4j.saeeval;

import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.sae.SparseCodes;
import io.sails4j.tensor.TensorArena;
import java.util.Arrays;

/** Encodes vectors block by block and sums what {@link ReconstructionMeasures} is made of, in double. */
final class VectorSums {
    private final Sae sae;
    private final float[] x;
    private final int d;
    private final double[] mean;
    private final long[] active;
    private double squares;
    private double deviations;
    private double explained;
    private double cosine;
    private double ratio;
    private long codes;

    /** Sees the codes of a block. */
    @FunctionalInterface
    interface Visitor {
        void visit(int vector, int feature, float activation);
    }

    VectorSums(Sae sae, float[] x) {
        this.sae = sae;
        this.x = x;
        this.d = Math.toIntExact(sae.config().dIn());
        this.mean = new double[d];
        this.active = new long[Math.toIntExact(sae.config().dSae())];
        for (int at = 0; at < x.length; at++) {
            mean[at % d] += (double) x[at] * d / x.length;
        }
    }

    /** The mean vector. */
    float[] mean() {
        float[] out = new float[d];
        for (int j = 0; j < d; j++) {
            out[j] = (float) mean[j];
        }
        return out;
    }

    VectorSums run(Engine engine, int block, Visitor visitor) {
        int n = x.length / d;
        try (TensorArena memory = new TensorArena(engine.device())) {
            for (int from = 0; from < n; from += block) {
                memory.reset();
                int count = Math.min(block, n - from);
                SparseCodes of = sae.encode(memory.of(Arrays.copyOfRange(x, from * d, (from + count) * d), count, d), memory);
                add(from, sae.decode(of, memory).toFloatArray());
                visit(of, from, visitor);
            }
        }
        return this;
    }

    private void visit(SparseCodes of, int from, Visitor visitor) {
        int[] counts = of.counts().toIntArray();
        int[] ids = of.indices().toIntArray();
        float[] values = of.values().toFloatArray();
        int capacity = Math.toIntExact(of.capacity());
        for (int t = 0; t < counts.length; t++) {
            codes += counts[t];
            for (int j = t * capacity; j < t * capacity + counts[t]; j++) {
                active[ids[j]]++;
                visitor.visit(from + t, ids[j], values[j]);
            }
        }
    }

    private void add(int from, float[] recon) {
        for (int t = 0; t < recon.length / d; t++) {
            double error = 0;
            double deviation = 0;
            double dot = 0;
            double ofX = 0;
            double ofRecon = 0;
            for (int j = 0; j < d; j++) {
                double value = x[(from + t) * d + j];
                double found = recon[t * d + j];
                error += (value - found) * (value - found);
                deviation += (value - mean[j]) * (value - mean[j]);
                dot += value * found;
                ofX += value * value;
                ofRecon += found * found;
            }
            squares += error;
            deviations += deviation;
            explained += deviation == 0 ? 0 : 1 - error / deviation;
            cosine += ofX == 0 || ofRecon == 0 ? 0 : dot / Math.sqrt(ofX * ofRecon);
            ratio += ofX == 0 ? 0 : Math.sqrt(ofRecon / ofX);
        }
    }

    ReconstructionMeasures measures(double denseFrequency) {
        int n = x.length / d;
        int dead = (int) Arrays.stream(active).filter(count -> count == 0).count();
        int dense = (int) Arrays.stream(active).filter(count -> count > denseFrequency * n).count();
        return new ReconstructionMeasures(n, (double) codes / n, squares / x.length, squares / deviations, explained / n, cosine / n,
            ratio / n, dead, dense, active.length);
    }
}
