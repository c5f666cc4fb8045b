package io.sails4j.loop;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.Projection;

/**
 * Floating-point operations of a training step for each token (arXiv:2204.02311 appendix B, with the products counted one by one): a
 * product of [n, a] with [a, b] is 2 n a b. Element-wise work is left out, as is custom.
 */
public final class TrainingFlops {
    private TrainingFlops() {
    }

    /** The linear maps of all layers and the head, forward. */
    public static double linear(ModelConfig config) {
        double block = 0;
        for (Projection p : Projection.values()) {
            block += 2.0 * p.dIn(config) * p.dOut(config);
        }
        return config.nLayers() * block;
    }

    /** The head, forward. */
    public static double head(ModelConfig config) {
        return 2.0 * config.dModel() * config.vocabSize();
    }

    /** Scores and weighted values of all layers, forward: a token sees half of its sequence on average, or of its window. */
    public static double attention(ModelConfig config, long length) {
        double keys = 0;
        for (int layer = 0; layer < config.nLayers(); layer++) {
            keys += config.isSliding(layer) ? visible(length, config.slidingWindow()) : (length + 1) / 2.0;
        }
        return 4.0 * keys * config.qWidth();
    }

    /** The mean number of keys that a token of a causal sequence sees through a window. */
    private static double visible(long length, long window) {
        if (window >= length) {
            return (length + 1) / 2.0;
        }
        return (window * (window + 1) / 2.0 + (double) (length - window) * window) / length;
    }

    /**
     * Forward and backward of one token: the backward of a frozen map has one product (the input's gradient), of a trained one two;
     * attention's has two and a half times the forward; layers that are computed again count their forward twice.
     *
     * @param length of the sequence that the token is in
     */
    public static double step(ModelConfig config, long length, boolean full, int recomputeLayers) {
        double again = Math.min(recomputeLayers, config.nLayers()) / (double) config.nLayers();
        double linear = linear(config) * ((full ? 3 : 2) + again);
        double attention = attention(config, length) * (3.5 + again);
        return linear + attention + head(config) * (full ? 3 : 2);
    }

    /**
     * The same of a whole sequence, nothing computed again.
     *
     * @param predicted positions that the head is asked at
     */
    public static double sequence(ModelConfig config, long length, long predicted, boolean full) {
        return length * (step(config, length, full, 0) - head(config) * (full ? 3 : 2)) + predicted * head(config) * (full ? 3 : 2);
    }

    /** Share of the peak: the operations that the model needs (those computed again do not count) over what the time would allow. */
    public static double utilisation(double flopsPerToken, double tokensPerSecond, double peakFlopsPerSecond) {
        return flopsPerToken * tokensPerSecond / peakFlopsPerSecond;
    }
}
