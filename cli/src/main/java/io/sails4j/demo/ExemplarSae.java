package io.sails4j.demo;

import io.sails4j.files.AtomicFiles;
import io.sails4j.io.NpzWriter;
import io.sails4j.tensor.HostTensor;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Random;
import java.util.SequencedMap;

/**
 * A dictionary without training: each feature's direction is one observed residual vector (centred, length 1), and its JumpReLU
 * threshold lets it fire on a small share of the tokens. Written in Gemma Scope's format.
 */
final class ExemplarSae {
    private ExemplarSae() {
    }

    /**
     * @param residuals [n][d] residual stream vectors
     * @param active share of the tokens that a feature fires on
     */
    static void write(Path target, float[][] residuals, int dSae, double active, long seed) {
        int n = residuals.length;
        int d = residuals[0].length;
        float[] mean = new float[d];
        for (float[] row : residuals) {
            for (int j = 0; j < d; j++) {
                mean[j] += row[j] / n;
            }
        }
        float[] wEnc = new float[d * dSae];
        float[] wDec = new float[dSae * d];
        float[] bEnc = new float[dSae];
        float[] threshold = new float[dSae];
        Random random = new Random(seed);
        for (int f = 0; f < dSae; f++) {
            float[] direction = direction(residuals[random.nextInt(n)], mean);
            double[] projections = new double[n];
            for (int i = 0; i < n; i++) {
                for (int j = 0; j < d; j++) {
                    projections[i] += (residuals[i][j] - mean[j]) * direction[j];
                }
            }
            Arrays.sort(projections);
            threshold[f] = (float) Math.max(1e-3, inWidestGap(projections, (int) Math.min(n - 1, (1 - active) * n)));
            for (int j = 0; j < d; j++) {
                wEnc[j * dSae + f] = direction[j];
                wDec[f * d + j] = direction[j];
                bEnc[f] -= mean[j] * direction[j];
            }
        }
        SequencedMap<String, HostTensor> arrays = new LinkedHashMap<>();
        arrays.put("W_enc", HostTensor.ofFloats(wEnc, d, dSae));
        arrays.put("W_dec", HostTensor.ofFloats(wDec, dSae, d));
        arrays.put("b_enc", HostTensor.ofFloats(bEnc, dSae));
        arrays.put("b_dec", HostTensor.ofFloats(mean, d));
        arrays.put("threshold", HostTensor.ofFloats(threshold, dSae));
        AtomicFiles.writeDirectory(target, directory -> NpzWriter.write(directory.resolve("params.npz"), arrays));
    }

    /** Between two values near {@code place}: at a value itself rounding would decide whether the feature fires. */
    private static double inWidestGap(double[] rising, int place) {
        int reach = Math.max(2, rising.length / 200);
        int best = Math.max(1, place - reach);
        for (int i = best + 1; i <= Math.min(rising.length - 1, place + reach); i++) {
            if (rising[i] - rising[i - 1] > rising[best] - rising[best - 1]) {
                best = i;
            }
        }
        return rising.length < 2 ? rising[0] : (rising[best] + rising[best - 1]) / 2;
    }

    private static float[] direction(float[] row, float[] mean) {
        float[] direction = new float[row.length];
        double norm = 0;
        for (int j = 0; j < row.length; j++) {
            direction[j] = row[j] - mean[j];
            norm += (double) direction[j] * direction[j];
        }
        for (int j = 0; j < row.length; j++) {
            direction[j] /= (float) Math.sqrt(Math.max(norm, 1e-12));
        }
        return direction;
    }
}
