package io.sails4j.model;

import io.sails4j.config.ModelConfig;
import io.sails4j.tensor.DType;
import org.jspecify.annotations.Nullable;

/**
 * How a checkpoint is loaded.
 *
 * @param computeDtype F32 or BF16 for weights and matmul inputs; null = BF16 for 16-bit checkpoints, else F32
 * @param writable give the parameters memory of their own, for training them
 * @param exactNormalizer do not round sqrt(d_model) to the checkpoint's type; the published models round
 * @param weights what the big matrices are kept as; of a checkpoint that is quantized already, what it has
 */
public record ModelOptions(@Nullable DType computeDtype, boolean writable, boolean exactNormalizer, WeightFormat weights) {
    public ModelOptions {
        if (writable && weights != WeightFormat.CHECKPOINT) {
            throw new IllegalArgumentException("weights of " + weights + " cannot be written: train an adapter, or load the checkpoint's");
        }
    }

    /** Weights as the checkpoint has them. */
    public ModelOptions(@Nullable DType computeDtype, boolean writable, boolean exactNormalizer) {
        this(computeDtype, writable, exactNormalizer, WeightFormat.CHECKPOINT);
    }

    /** The same with other weights. */
    public ModelOptions withWeights(WeightFormat other) {
        return new ModelOptions(computeDtype, writable, exactNormalizer, other);
    }

    /** The compute type that the checkpoint asks for. */
    public static ModelOptions defaults() {
        return new ModelOptions(null, false, false);
    }

    /** A compute type: F32, BF16, or null for the checkpoint's. */
    public static ModelOptions of(@Nullable DType computeDtype) {
        return new ModelOptions(computeDtype, false, false);
    }

    DType resolve(ModelConfig config) {
        DType dtype = computeDtype != null ? computeDtype : config.checkpointDtype() == DType.F32 ? DType.F32 : DType.BF16;
        if (dtype != DType.F32 && dtype != DType.BF16) {
            throw new IllegalArgumentException("compute type " + dtype + ", expected F32 or BF16");
        }
        return dtype;
    }
}
