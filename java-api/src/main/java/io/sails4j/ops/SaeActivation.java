package io.sails4j.ops;

/** Activation functions of sparse autoencoders, in the order of {@code sails.h}. */
public enum SaeActivation {
    RELU, JUMPRELU, TOPK, GATED;

    int abiCode() {
        return ordinal();
    }
}
