package io.sails4j.saetrain;

import io.sails4j.io.SafetensorsWriter;
import io.sails4j.tensor.HostTensor;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.SequencedMap;

/** Vectors that are sums of a few of some known directions. */
record KnownFeatures(float[][] directions, float[] vectors, int d) {
    static KnownFeatures draw(int features, int d, int active, int vectors, long seed) {
        Random random = new Random(seed);
        float[][] directions = new float[features][d];
        for (float[] direction : directions) {
            double squares = 0;
            for (int j = 0; j < d; j++) {
                direction[j] = (float) random.nextGaussian();
                squares += direction[j] * direction[j];
            }
            for (int j = 0; j < d; j++) {
                direction[j] /= (float) Math.sqrt(squares);
            }
        }
        float[] all = new float[vectors * d];
        for (int t = 0; t < vectors; t++) {
            int[] chosen = random.ints(0, features).distinct().limit(active).toArray();
            for (int feature : chosen) {
                double value = 0.5 + Math.abs(random.nextGaussian());
                for (int j = 0; j < d; j++) {
                    all[t * d + j] += (float) (value * directions[feature][j]);
                }
            }
        }
        return new KnownFeatures(directions, all, d);
    }

    /** Writes {@code x} and {@code features}. */
    Path write(Path file) {
        float[] flat = new float[directions.length * d];
        for (int i = 0; i < directions.length; i++) {
            System.arraycopy(directions[i], 0, flat, i * d, d);
        }
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        tensors.put("x", HostTensor.ofFloats(vectors, vectors.length / d, d));
        tensors.put("features", HostTensor.ofFloats(flat, directions.length, d));
        SafetensorsWriter.write(file, tensors, Map.of());
        return file;
    }

    /** The mean over the known directions of the largest cosine with a decoder row. */
    double meanMaxCosine(float[] decoder) {
        double sum = 0;
        for (float[] direction : directions) {
            double best = -1;
            for (int i = 0; i < decoder.length / d; i++) {
                double dot = 0;
                double squares = 0;
                for (int j = 0; j < d; j++) {
                    dot += (double) direction[j] * decoder[i * d + j];
                    squares += (double) decoder[i * d + j] * decoder[i * d + j];
                }
                best = Math.max(best, dot / Math.sqrt(squares));
            }
            sum += best / directions.length;
        }
        return sum;
    }
}
