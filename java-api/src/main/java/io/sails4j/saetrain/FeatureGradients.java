package io.sails4j.saetrain;

/** Sums over the vectors of a step, of each feature, on the host and in double: few numbers that codes are scattered into. */
final class FeatureGradients {
    /** Of b_enc; for gated of b_gate. */
    final double[] bias;
    /** Of the product x W_enc, which the decoder's bias goes into as well. */
    final double[] product;
    /** Of log_threshold, or of b_mag. */
    final double[] first;
    /** Of r_mag. */
    final double[] second;
    /** Sums of the activations. */
    final double[] acts;

    FeatureGradients(int width) {
        bias = new double[width];
        product = new double[width];
        first = new double[width];
        second = new double[width];
        acts = new double[width];
    }

    static float[] floats(double[] values) {
        float[] out = new float[values.length];
        for (int i = 0; i < out.length; i++) {
            out[i] = (float) values[i];
        }
        return out;
    }
}
