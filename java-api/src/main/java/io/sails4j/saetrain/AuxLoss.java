package io.sails4j.saetrain;

import io.sails4j.ops.SaeActivation;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import org.jspecify.annotations.Nullable;

/**
 * AuxK (arXiv:2406.04093, section A.2): the largest pre-activations of dead features reconstruct what the others left, with the error
 * itself as their target, so that they find a use. Nothing flows back into the features that live.
 */
final class AuxLoss {
    /** Takes a feature out of any choice. */
    private static final float NEVER = -1e30f;

    private final CodeSource source;
    private final SaeParameters parameters;
    private final Reconstruction reconstruction;
    private final DeadFeatures dead;
    private final RevivalOptions options;
    private final int dIn;
    private @Nullable Tensor bias;
    private int k;

    AuxLoss(CodeSource source, SaeParameters parameters, Reconstruction reconstruction, DeadFeatures dead, RevivalOptions options,
        int dIn) {
        this.source = source;
        this.parameters = parameters;
        this.reconstruction = reconstruction;
        this.dead = dead;
        this.options = options;
        this.dIn = dIn;
    }

    void begin(TensorArena memory) {
        int deadNow = dead.count();
        k = Math.min(deadNow, options.auxK() == 0 ? Math.max(1, dIn / 2) : options.auxK());
        bias = null;
        if (k > 0 && options.auxCoefficient() > 0) {
            float[] masked = parameters.value(SaeParameters.B_ENC).toFloatArray();
            for (int i = 0; i < masked.length; i++) {
                masked[i] = dead.dead(i) ? masked[i] : NEVER;
            }
            bias = memory.of(masked, masked.length);
        }
    }

    /**
     * Adds its gradients.
     *
     * @param error of a block's reconstruction, recon - x
     * @param n vectors of the batch
     * @return the term with its coefficient
     */
    double add(Tensor error, Tensor xin, int n, FeatureGradients gradients, TensorArena memory) {
        if (bias == null) {
            return 0;
        }
        CodeBlock block = source.encode(xin, new Sparsifier.Asked(SaeActivation.TOPK, null, k), bias, k, memory);
        Reconstruction.Codes codes = Reconstruction.Codes.of(block, block.z(), block.counts(), memory);
        Tensor left = reconstruction.error(codes, null, error, 1, memory);
        double scale = options.auxCoefficient() / n;
        Tensor gradient = reconstruction.gradient(left, scale, memory);
        float[] dz = reconstruction.ofValues(codes, gradient, memory);
        block.forEach((slot, feature) -> {
            gradients.bias[feature] += dz[slot];
            gradients.product[feature] += dz[slot];
        });
        reconstruction.addToDecoder(codes, gradient);
        reconstruction.addToEncoder(block, dz, xin, memory);
        return scale * reconstruction.sumOfSquares(left);
    }
}
