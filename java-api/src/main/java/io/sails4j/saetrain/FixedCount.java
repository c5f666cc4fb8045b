package io.sails4j.saetrain;

import io.sails4j.ops.SaeActivation;
import io.sails4j.tensor.TensorArena;

/** topk, and batchtopk after its choice: activations are the pre-activations that were chosen, no term holds them down. */
record FixedCount(SaeParameters parameters, int k) implements Sparsifier {
    @Override
    public Asked begin(TensorArena memory) {
        return new Asked(SaeActivation.TOPK, null, k);
    }

    @Override
    public void activate(CodeBlock codes) {
        System.arraycopy(codes.z(), 0, codes.acts(), 0, codes.z().length);
    }

    @Override
    public double addPenalty(CodeBlock codes, double coefficient) {
        return 0;
    }

    @Override
    public void backward(CodeBlock codes, double coefficient, FeatureGradients gradients) {
        codes.forEach((slot, feature) -> {
            codes.dz()[slot] = codes.dActs()[slot];
            gradients.bias[feature] += codes.dActs()[slot];
            gradients.product[feature] += codes.dActs()[slot];
        });
    }

    @Override
    public void collect(FeatureGradients gradients, TensorArena memory) {
        parameters.gradient(SaeParameters.B_ENC).upload(FeatureGradients.floats(gradients.bias));
    }
}
