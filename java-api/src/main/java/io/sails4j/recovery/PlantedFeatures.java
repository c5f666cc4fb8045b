package io.sails4j.recovery;

import java.util.Arrays;
import java.util.Random;

/**
 * Vectors of known features: x = sum of a_i f_i + noise, f_i random directions of length 1, each active by chance with a size between 0.5
 * and 1.5. The first r features are active far more often on the aligned side; all others alike on both.
 */
final class PlantedFeatures {
    /** Of features that do not tell the sides apart, so many are active on average. */
    private static final int ACTIVE = 4;
    private static final double ALIGNED = 0.5;
    private static final double UNALIGNED = 0.05;
    private static final double NOISE = 0.02;

    private final double[][] directions;
    private final int planted;
    private final Random random;

    PlantedFeatures(RecoveryPoint point, int safetyFeatures, long seed) {
        this.random = new Random(seed);
        this.planted = safetyFeatures;
        this.directions = new double[point.features()][point.dimension()];
        for (double[] direction : directions) {
            double squares = 0;
            for (int j = 0; j < direction.length; j++) {
                direction[j] = random.nextGaussian();
                squares += direction[j] * direction[j];
            }
            for (int j = 0; j < direction.length; j++) {
                direction[j] /= Math.sqrt(squares);
            }
        }
    }

    /** How many features are active in a vector, on average over both sides. */
    static int active(int safetyFeatures) {
        return (int) Math.round(ACTIVE + safetyFeatures * (ALIGNED + UNALIGNED) / 2);
    }

    /** All of them, [features][dimension]. */
    double[][] directions() {
        return directions;
    }

    /** The subspace of those that tell the sides apart, as orthonormal columns. */
    double[][] span() {
        return Spans.of(Arrays.copyOf(directions, planted));
    }

    /** Another {@code n} vectors of a side. */
    float[][] draw(int n, boolean aligned) {
        float[][] vectors = new float[n][];
        for (int i = 0; i < n; i++) {
            vectors[i] = vector(aligned);
        }
        return vectors;
    }

    private float[] vector(boolean aligned) {
        double[] x = new double[directions[0].length];
        double background = Math.min(0.5, (double) ACTIVE / (directions.length - planted));
        for (int f = 0; f < directions.length; f++) {
            double chance = f >= planted ? background : aligned ? ALIGNED : UNALIGNED;
            if (random.nextDouble() < chance) {
                double size = 0.5 + random.nextDouble();
                for (int j = 0; j < x.length; j++) {
                    x[j] += size * directions[f][j];
                }
            }
        }
        float[] vector = new float[x.length];
        for (int j = 0; j < x.length; j++) {
            vector[j] = (float) (x[j] + NOISE * random.nextGaussian());
        }
        return vector;
    }
}
