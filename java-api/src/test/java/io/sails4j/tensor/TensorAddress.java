package io.sails4j.tensor;

/** Where a tensor lies, for tests that ask whether it has moved. */
public final class TensorAddress {
    private TensorAddress() {
    }

    public static long of(Tensor tensor) {
        return tensor.address();
    }
}
