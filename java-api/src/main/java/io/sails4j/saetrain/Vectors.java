package io.sails4j.saetrain;

import io.sails4j.InputException;

/**
 * Vectors of one layer as they are trained on: scaled so that their mean length is sqrt(d_in) (Anthropic, Circuits Updates, April 2024;
 * SAELens' expected_average_only_in).
 */
final class Vectors {
    private final String name;
    private final int dIn;
    private double scale = 1;

    Vectors(String name, int dIn) {
        this.name = name;
        this.dIn = dIn;
    }

    double scale() {
        return scale;
    }

    void restore(double earlier) {
        scale = earlier;
    }

    /**
     * Finds the scale.
     *
     * @return the mean of the scaled vectors
     * @throws InputException where a sample cannot be learned from
     */
    float[] measure(float[] sample) {
        int n = sample.length / dIn;
        requireFinite(sample);
        if (deviations(sample) == 0) {
            throw new InputException(
                name + ": the vectors do not vary, all " + n + " that were looked at are the same; expected activations");
        }
        double lengths = 0;
        double[] mean = new double[dIn];
        for (int t = 0; t < n; t++) {
            double squares = 0;
            for (int d = 0; d < dIn; d++) {
                double value = sample[t * dIn + d];
                squares += value * value;
                mean[d] += value;
            }
            lengths += Math.sqrt(squares);
        }
        scale = Math.sqrt(dIn) / (lengths / n);
        float[] scaled = new float[dIn];
        for (int d = 0; d < dIn; d++) {
            scaled[d] = (float) (mean[d] / n * scale);
        }
        return scaled;
    }

    /** Scales in place. */
    void scale(float[] x) {
        requireFinite(x);
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) (x[i] * scale);
        }
    }

    private void requireFinite(float[] x) {
        for (int i = 0; i < x.length; i++) {
            if (!Float.isFinite(x[i])) {
                throw new InputException(name + " has a vector whose element " + i % dIn + " is " + x[i]
                    + "; expected finite activations");
            }
        }
    }

    /** Sum of the squared deviations from the mean. */
    double deviations(float[] x) {
        double[] mean = new double[dIn];
        int n = x.length / dIn;
        for (int t = 0; t < n; t++) {
            for (int d = 0; d < dIn; d++) {
                mean[d] += (double) x[t * dIn + d] / n;
            }
        }
        double sum = 0;
        for (int t = 0; t < n; t++) {
            for (int d = 0; d < dIn; d++) {
                double deviation = x[t * dIn + d] - mean[d];
                sum += deviation * deviation;
            }
        }
        return sum;
    }
}
