package io.sails4j.model;

import io.sails4j.tensor.Tensor;

/** Gradients of one adapter's factors, F32, accumulated by the backward. */
public record LowRankGradient(Tensor dLoraA, Tensor dLoraB) {
}
