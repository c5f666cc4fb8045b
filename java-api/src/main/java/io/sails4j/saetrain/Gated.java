package io.sails4j.saetrain;

import io.sails4j.ops.SaeActivation;
import io.sails4j.tensor.TensorArena;

/**
 * gated (arXiv:2404.16014, section 3): with z0 = (x - b_dec) W_gate, the gate is z = z0 + b_gate and the magnitude z0 exp(r_mag) + b_mag;
 * f = H(z) ReLU(magnitude). The term is lambda sum ReLU(z), and the gates have to reconstruct by themselves through a decoder that they do
 * not train ({@link #gates}).
 */
final class Gated implements Sparsifier {
    private final SaeParameters parameters;
    private float[] bGate = new float[0];
    private float[] bMag = new float[0];
    private float[] scale = new float[0];
    /** Of the gates through the frozen decoder and of the term; filled by {@link #addGateGradient} and {@link #addPenalty}. */
    private float[] dGates = new float[0];

    Gated(SaeParameters parameters) {
        this.parameters = parameters;
    }

    @Override
    public Asked begin(TensorArena memory) {
        bGate = parameters.value(SaeParameters.B_ENC).toFloatArray();
        bMag = parameters.value(SaeParameters.B_MAG).toFloatArray();
        scale = parameters.value(SaeParameters.R_MAG).toFloatArray();
        for (int i = 0; i < scale.length; i++) {
            scale[i] = (float) Math.exp(scale[i]);
        }
        return new Asked(SaeActivation.RELU, null, 0);
    }

    private float product(CodeBlock codes, int slot, int feature) {
        return codes.z()[slot] - bGate[feature];
    }

    private float magnitude(CodeBlock codes, int slot, int feature) {
        return product(codes, slot, feature) * scale[feature] + bMag[feature];
    }

    @Override
    public void activate(CodeBlock codes) {
        dGates = new float[codes.z().length];
        codes.forEach((slot, feature) -> codes.acts()[slot] = Math.max(0, magnitude(codes, slot, feature)));
    }

    /** Takes the gradient of ReLU(z) through the frozen decoder. */
    void addGateGradient(float[] gradient) {
        for (int j = 0; j < dGates.length; j++) {
            dGates[j] += gradient[j];
        }
    }

    @Override
    public double addPenalty(CodeBlock codes, double coefficient) {
        double[] sum = new double[1];
        codes.forEach((slot, _) -> {
            sum[0] += codes.z()[slot];
            dGates[slot] += (float) coefficient;
        });
        return coefficient * sum[0];
    }

    @Override
    public void backward(CodeBlock codes, double coefficient, FeatureGradients gradients) {
        codes.forEach((slot, i) -> {
            float dMagnitude = codes.acts()[slot] > 0 ? codes.dActs()[slot] : 0;
            float dz0 = dMagnitude * scale[i] + dGates[slot];
            codes.dz()[slot] = dz0;
            gradients.bias[i] += dGates[slot];
            gradients.product[i] += dz0;
            gradients.first[i] += dMagnitude;
            gradients.second[i] += (double) dMagnitude * product(codes, slot, i) * scale[i];
        });
    }

    @Override
    public void collect(FeatureGradients gradients, TensorArena memory) {
        parameters.gradient(SaeParameters.B_ENC).upload(FeatureGradients.floats(gradients.bias));
        parameters.gradient(SaeParameters.B_MAG).upload(FeatureGradients.floats(gradients.first));
        parameters.gradient(SaeParameters.R_MAG).upload(FeatureGradients.floats(gradients.second));
    }
}
