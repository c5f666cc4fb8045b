package io.sails4j.ops;

/** Activation functions of gated linear units, in the order of {@code sails.h}. */
public enum GluActivation {
    GELU_TANH, SILU;

    int abiCode() {
        return ordinal();
    }
}
