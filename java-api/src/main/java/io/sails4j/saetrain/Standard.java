package io.sails4j.saetrain;

import io.sails4j.ops.Engine;
import io.sails4j.ops.SaeActivation;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;

/**
 * standard (Anthropic, Circuits Updates, April 2024): f = ReLU(z) and the term lambda sum f_i |W_dec[i]|, so that the decoder's rows are
 * free: a longer row does not make a feature cheaper.
 */
final class Standard implements Sparsifier {
    private final Engine engine;
    private final SaeParameters parameters;
    private float[] norms = new float[0];

    Standard(Engine engine, SaeParameters parameters) {
        this.engine = engine;
        this.parameters = parameters;
    }

    /** Lengths of the decoder's rows. */
    static float[] norms(Engine engine, SaeParameters parameters, TensorArena memory) {
        Tensor rows = parameters.value(SaeParameters.W_DEC);
        Tensor squares = memory.allocate(rows.dtype(), rows.dim(0));
        engine.ops().elementwise().dotRows(squares, rows, rows);
        float[] norms = squares.toFloatArray();
        for (int i = 0; i < norms.length; i++) {
            norms[i] = (float) Math.sqrt(norms[i]);
        }
        return norms;
    }

    @Override
    public Asked begin(TensorArena memory) {
        norms = norms(engine, parameters, memory);
        return new Asked(SaeActivation.RELU, null, 0);
    }

    @Override
    public void activate(CodeBlock codes) {
        System.arraycopy(codes.z(), 0, codes.acts(), 0, codes.z().length);
    }

    @Override
    public double addPenalty(CodeBlock codes, double coefficient) {
        double[] sum = new double[1];
        codes.forEach((slot, i) -> {
            sum[0] += (double) codes.acts()[slot] * norms[i];
            codes.dActs()[slot] += (float) (coefficient * norms[i]);
        });
        return coefficient * sum[0];
    }

    @Override
    public void backward(CodeBlock codes, double coefficient, FeatureGradients gradients) {
        codes.forEach((slot, i) -> {
            codes.dz()[slot] = codes.dActs()[slot];
            gradients.bias[i] += codes.dActs()[slot];
            gradients.product[i] += codes.dActs()[slot];
            // Of the row's length: d/dW of f |W| is f W / |W|, added in collect.
            gradients.first[i] += norms[i] == 0 ? 0 : coefficient * codes.acts()[slot] / norms[i];
        });
    }

    @Override
    public void collect(FeatureGradients gradients, TensorArena memory) {
        parameters.gradient(SaeParameters.B_ENC).upload(FeatureGradients.floats(gradients.bias));
        Tensor factors = memory.of(FeatureGradients.floats(gradients.first), gradients.first.length);
        engine.ops().elementwise().scaleRows(parameters.gradient(SaeParameters.W_DEC), parameters.value(SaeParameters.W_DEC), factors,
            null);
    }
}
