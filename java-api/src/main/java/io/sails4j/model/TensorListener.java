package io.sails4j.model;

import io.sails4j.tensor.Tensor;

/** Sees tensors as they are computed. A tensor is valid during the call only. */
@FunctionalInterface
public interface TensorListener {
    void accept(String name, Tensor value);
}
