package io.sails4j.trainable;

import io.sails4j.model.AdapterStack;
import io.sails4j.model.GradientTargets;
import io.sails4j.model.TrainedShape;
import io.sails4j.tensor.Tensor;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What is trained: parameters and their gradients. */
public sealed interface Trainable extends AutoCloseable permits LoraTrainable, CoreLoraTrainable, FullTrainable {
    /**
     * One trained tensor.
     *
     * @param name as in checkpoints, for adapters {@code <module>.lora_A.weight}
     * @param value changed in place; F32, or BF16 where there is a remainder
     * @param gradient F32, accumulated by the backward
     * @param remainder BF16: what rounding has left of the value, null for F32
     */
    record Parameter(String name, Tensor value, Tensor gradient, @Nullable Tensor remainder) {
        Parameter(String name, Tensor value, Tensor gradient) {
            this(name, value, gradient, null);
        }
    }

    /** What is trained, in numbers. */
    TrainedShape shape();

    /** In the order of the model. */
    List<Parameter> parameters();

    /** The adapters that are active in training and evaluation. */
    AdapterStack adapters();

    /** Where the backward puts the gradients. */
    GradientTargets targets();

    /** The output matrix's gradient, which the head adds to; null where it is frozen. */
    @Nullable
    Tensor dHead();

    /**
     * Queues what turns {@link #targets} into the parameters' gradients, after the last micro-batch of a step: the same calls in every
     * step.
     */
    default void collectGradients() {
    }

    /** Queues what brings the parameters that the model computes with up to date after a step: the same calls in every step. */
    void queuePublish();

    /** Brings all that the model computes with up to date. */
    default void publish() {
        queuePublish();
        adapters().forgetDerived();
    }

    default void zeroGradients() {
        parameters().forEach(p -> p.gradient().fillZero());
    }

    default long count() {
        return parameters().stream().mapToLong(p -> p.value().numel()).sum();
    }

    @Override
    void close();
}
