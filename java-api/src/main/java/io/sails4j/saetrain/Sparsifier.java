package io.sails4j.saetrain;

import io.sails4j.ops.SaeActivation;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import org.jspecify.annotations.Nullable;

/**
 * What one kind of autoencoder does with pre-activations: which are needed, what the activations are, what the sparsity term is, and the
 * gradients of all of it. Gradients are those of the mean over the vectors of a batch.
 */
interface Sparsifier {
    /**
     * How codes are asked for.
     *
     * @param threshold of jumprelu
     * @param k of topk
     */
    record Asked(SaeActivation activation, @Nullable Tensor threshold, int k) {
    }

    /** Reads the parameters of a step; tensors live in {@code memory}. */
    Asked begin(TensorArena memory);

    /** Fills the activations from the pre-activations. */
    void activate(CodeBlock codes);

    /**
     * Adds the gradient of the sparsity term to that of the activations.
     *
     * @param coefficient of the term, divided by the vectors of the batch
     * @return the term, times the coefficient
     */
    double addPenalty(CodeBlock codes, double coefficient);

    /** Fills the gradient of the pre-activations from that of the activations, and adds to the gradients of each feature. */
    void backward(CodeBlock codes, double coefficient, FeatureGradients gradients);

    /** Hands the gradients of each feature on to the parameters. */
    void collect(FeatureGradients gradients, TensorArena memory);
}
