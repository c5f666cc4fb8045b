package io.sails4j.saetrain;

import java.util.Arrays;
import java.util.Random;

/**
 * The start: decoder rows of random directions and length 1, the encoder their transpose (arXiv:2406.04093, section A.1). Where half of
 * all features are active at first, it is scaled by 2 d_in / width so that the first reconstructions have the length of the vectors;
 * of jumprelu by a half: of vectors without structure 2 % of the pre-activations then pass a threshold of 1.
 */
record Initialization(SaeTrainOptions options, int dIn, long seed) {
    void fill(SaeParameters parameters, float[] mean) {
        int width = options.shape().width();
        Random random = new Random(seed);
        float[] decoder = new float[Math.multiplyExact(width, dIn)];
        for (int i = 0; i < width; i++) {
            double squares = 0;
            for (int d = i * dIn; d < (i + 1) * dIn; d++) {
                decoder[d] = (float) random.nextGaussian();
                squares += (double) decoder[d] * decoder[d];
            }
            for (int d = i * dIn; d < (i + 1) * dIn; d++) {
                decoder[d] = (float) (decoder[d] / Math.sqrt(squares));
            }
        }
        float scale = (float) encoderScale(width);
        float[] encoder = new float[decoder.length];
        for (int i = 0; i < width; i++) {
            for (int d = 0; d < dIn; d++) {
                encoder[d * width + i] = scale * decoder[i * dIn + d];
            }
        }
        parameters.value(SaeParameters.W_DEC).upload(decoder);
        parameters.value(SaeParameters.W_ENC).upload(encoder);
        parameters.value(SaeParameters.B_DEC).upload(mean);
        if (options.shape().kind() == SaeKind.JUMPRELU) {
            float[] logarithms = new float[width];
            Arrays.fill(logarithms, (float) Math.log(options.sparsity().initialThreshold()));
            parameters.value(SaeParameters.LOG_THRESHOLD).upload(logarithms);
        }
    }

    private double encoderScale(int width) {
        return switch (options.shape().kind()) {
            case TOPK, BATCHTOPK -> 1;
            case JUMPRELU -> 0.5;
            case GATED, STANDARD -> Math.min(1, 2.0 * dIn / width);
        };
    }
}
