package io.sails4j.explain;

import io.sails4j.explain.ExplainedFeature.Neighbour;
import io.sails4j.ops.Engine;
import io.sails4j.sae.Sae;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/** The features of an SAE whose decoder rows point most in the direction of a given one's: cos = &lt;d, e> / (|d| |e|). */
final class DecoderNeighbours {
    /** Decoder rows that are looked at together. */
    private static final int BLOCK = 8192;

    private DecoderNeighbours() {
    }

    /** For each feature its nearest others, by falling cosine; a row of zeros is near nobody. */
    static List<List<Neighbour>> of(Sae sae, int[] features, int most, Engine engine) {
        float[][] rows = sae.decoderRows(features);
        List<Largest> nearest = new ArrayList<>();
        for (int i = 0; i < features.length; i++) {
            nearest.add(new Largest(most));
        }
        int dSae = (int) sae.config().dSae();
        try (TensorArena memory = new TensorArena(engine.device())) {
            Tensor given = memory.of(joined(rows), rows.length, sae.config().dIn());
            for (int from = 0; most > 0 && from < dSae; from += BLOCK) {
                int count = Math.min(BLOCK, dSae - from);
                TensorArena.Mark mark = memory.mark();
                Tensor products = memory.allocate(DType.F32, rows.length, count);
                engine.ops().matmul().matmul(products, given, sae.wDec().rows(from, count), false, true, 1, 0);
                offer(products.toFloatArray(), features, rows, from, norms(sae, from, count), nearest);
                memory.release(mark);
            }
        }
        return nearest.stream().map(largest -> largest.toList(Neighbour::new)).toList();
    }

    private static void offer(float[] products, int[] features, float[][] rows, int from, double[] norms, List<Largest> nearest) {
        for (int i = 0; i < features.length; i++) {
            double norm = norm(rows[i]);
            for (int j = 0; j < norms.length; j++) {
                double both = norm * norms[j];
                if (from + j != features[i] && both > 0) {
                    nearest.get(i).offer(from + j, products[i * norms.length + j] / both);
                }
            }
        }
    }

    private static double[] norms(Sae sae, int from, int count) {
        float[][] rows = sae.decoderRows(IntStream.range(from, from + count).toArray());
        double[] norms = new double[count];
        for (int i = 0; i < count; i++) {
            norms[i] = norm(rows[i]);
        }
        return norms;
    }

    private static double norm(float[] row) {
        double sum = 0;
        for (float x : row) {
            sum += (double) x * x;
        }
        return Math.sqrt(sum);
    }

    private static float[] joined(float[][] rows) {
        int d = rows.length == 0 ? 0 : rows[0].length;
        float[] all = new float[rows.length * d];
        for (int i = 0; i < rows.length; i++) {
            System.arraycopy(rows[i], 0, all, i * d, d);
        }
        return all;
    }
}
