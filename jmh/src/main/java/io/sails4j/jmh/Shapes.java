package io.sails4j.jmh;

import io.sails4j.config.ModelConfig;

/** The shapes that benchmarks name, with the models and autoencoders that have them. */
final class Shapes {
    private Shapes() {
    }

    /** A model whose layers have the shape {@code 2b-layer}, {@code 9b-layer} or {@code tiny-layer}. */
    static ModelConfig layer(String name) {
        return switch (name) {
            case "2b-layer" -> ModelConfig.gemma2_2b();
            case "9b-layer" -> ModelConfig.gemma2_9b();
            case "tiny-layer" -> ModelConfig.gemma2().vocabSize(64).dModel(64).layers(2).heads(4, 2).headDim(16).dFf(128).slidingWindow(16)
                .build();
            default -> throw new IllegalArgumentException("shape is '" + name + "', expected 2b-layer, 9b-layer or tiny-layer");
        };
    }

    /** d_sae of an autoencoder {@code sae-16k}, {@code sae-131k} or {@code sae-tiny}. */
    static int width(String name) {
        return switch (name) {
            case "sae-16k" -> 16_384;
            case "sae-131k" -> 131_072;
            case "sae-tiny" -> 256;
            default -> throw new IllegalArgumentException("sae is '" + name + "', expected sae-16k, sae-131k or sae-tiny");
        };
    }

    /** d_in of such an autoencoder: Gemma-2 2B's residual stream. */
    static int dIn(String name) {
        return name.equals("sae-tiny") ? 64 : (int) ModelConfig.gemma2_2b().dModel();
    }
}
