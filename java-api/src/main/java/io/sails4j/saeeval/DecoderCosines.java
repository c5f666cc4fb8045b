package io.sails4j.saeeval;

import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Arrays;

/** Cosines of a decoder's rows with one another and with other directions, by blocks of 256 rows. */
final class DecoderCosines {
    private static final int BLOCK = 256;

    private final Engine engine;
    private final int width;
    private final int d;
    private final float[] rows;

    DecoderCosines(Engine engine, Sae sae) {
        this.engine = engine;
        this.width = Math.toIntExact(sae.config().dSae());
        this.d = Math.toIntExact(sae.config().dIn());
        this.rows = unit(sae.wDec().toFloatArray(), d);
    }

    private static float[] unit(float[] rows, int d) {
        float[] unit = new float[rows.length];
        for (int from = 0; from < rows.length; from += d) {
            double squares = 0;
            for (int j = from; j < from + d; j++) {
                squares += (double) rows[j] * rows[j];
            }
            for (int j = from; j < from + d; j++) {
                unit[j] = squares == 0 ? 0 : (float) (rows[j] / Math.sqrt(squares));
            }
        }
        return unit;
    }

    /** Of each direction [n * d] the largest cosine with a row; with {@code others} not with the row of its own number. */
    private double[] largest(float[] directions, boolean others) {
        int n = directions.length / d;
        double[] largest = new double[n];
        try (TensorArena memory = new TensorArena(engine.device())) {
            Tensor decoder = memory.of(rows, width, d);
            for (int from = 0; from < n; from += BLOCK) {
                TensorArena.Mark mark = memory.mark();
                int count = Math.min(BLOCK, n - from);
                Tensor block = memory.of(Arrays.copyOfRange(directions, from * d, (from + count) * d), count, d);
                Tensor product = memory.allocate(DType.F32, count, width);
                engine.ops().matmul().matmul(product, block, decoder, false, true, 1, 0);
                float[] cosines = product.toFloatArray();
                for (int i = 0; i < count; i++) {
                    double best = -1;
                    for (int j = 0; j < width; j++) {
                        best = others && j == from + i ? best : Math.max(best, cosines[i * width + j]);
                    }
                    largest[from + i] = best;
                }
                memory.release(mark);
            }
        }
        return largest;
    }

    /** Features whose row has such a cosine with another's. */
    int duplicates(double limit) {
        int count = 0;
        for (double cosine : largest(rows, true)) {
            count += cosine >= limit ? 1 : 0;
        }
        return count;
    }

    KnownFeatureMeasures known(float[] features, double limit) {
        double sum = 0;
        int recovered = 0;
        double[] largest = largest(unit(features, d), false);
        for (double cosine : largest) {
            sum += cosine;
            recovered += cosine >= limit ? 1 : 0;
        }
        return new KnownFeatureMeasures(largest.length, sum / largest.length, (double) recovered / largest.length);
    }
}
