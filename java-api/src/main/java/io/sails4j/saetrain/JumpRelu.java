package io.sails4j.saetrain;

import io.sails4j.ops.SaeActivation;
import io.sails4j.tensor.TensorArena;

/**
 * jumprelu (arXiv:2407.14435, sections 3 and 4): f = z H(z - theta), and with K the rectangle of width 1,
 * <pre>
 *   df/dz = H(z - theta)          df/dtheta = -(theta / eps) K((z - theta) / eps)
 *   dH/dz = 0                     dH/dtheta = -(1 / eps) K((z - theta) / eps)
 * </pre>
 * The term is lambda L0, or lambda (L0 / target - 1)^2 with a target, or lambda sum tanh(4 f). Codes are asked for down to theta - eps / 2;
 * pre-activations of 0 and less are left out, of which there are none in a window where theta > eps / 2.
 */
final class JumpRelu implements Sparsifier {
    /** Anthropic's constant (Circuits Updates, January 2025). */
    private static final double TANH_SCALE = 4;

    private final SaeParameters parameters;
    private final SparsityOptions options;
    private float[] theta = new float[0];

    JumpRelu(SaeParameters parameters, SparsityOptions options) {
        this.parameters = parameters;
        this.options = options;
    }

    /** exp of the logarithms. */
    static float[] thresholds(SaeParameters parameters) {
        float[] values = parameters.value(SaeParameters.LOG_THRESHOLD).toFloatArray();
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) Math.exp(values[i]);
        }
        return values;
    }

    @Override
    public Asked begin(TensorArena memory) {
        theta = thresholds(parameters);
        float[] lowest = new float[theta.length];
        for (int i = 0; i < lowest.length; i++) {
            lowest[i] = (float) (theta[i] - options.bandwidth() / 2);
        }
        return new Asked(SaeActivation.JUMPRELU, memory.of(lowest, lowest.length), 0);
    }

    private boolean active(CodeBlock codes, int slot, int feature) {
        return codes.z()[slot] > theta[feature];
    }

    @Override
    public void activate(CodeBlock codes) {
        codes.forEach((slot, feature) -> codes.acts()[slot] = active(codes, slot, feature) ? codes.z()[slot] : 0);
    }

    @Override
    public double addPenalty(CodeBlock codes, double coefficient) {
        double[] sum = new double[1];
        if (options.penalty() == SparsityPenalty.TANH) {
            codes.forEach((slot, _) -> {
                double t = Math.tanh(TANH_SCALE * codes.acts()[slot]);
                sum[0] += t;
                codes.dActs()[slot] += (float) (coefficient * TANH_SCALE * (1 - t * t));
            });
            return coefficient * sum[0];
        }
        for (int t = 0; t < codes.tokens(); t++) {
            double l0 = l0(codes, t);
            double over = l0 / options.targetL0() - 1;
            sum[0] += options.targetL0() == 0 ? l0 : over * over;
        }
        return coefficient * sum[0];
    }

    private int l0(CodeBlock codes, int token) {
        int l0 = 0;
        for (int j = token * codes.capacity(); j < token * codes.capacity() + codes.counts()[token]; j++) {
            l0 += active(codes, j, codes.ids()[j]) ? 1 : 0;
        }
        return l0;
    }

    /** The derivative of the term by each step function H of a vector. */
    private double ofStep(CodeBlock codes, int token, double coefficient) {
        if (options.penalty() == SparsityPenalty.TANH) {
            return 0;
        }
        return options.targetL0() == 0 ? coefficient : coefficient * 2 * (l0(codes, token) / options.targetL0() - 1) / options.targetL0();
    }

    @Override
    public void backward(CodeBlock codes, double coefficient, FeatureGradients gradients) {
        double eps = options.bandwidth();
        for (int t = 0; t < codes.tokens(); t++) {
            double ofStep = ofStep(codes, t, coefficient);
            for (int j = t * codes.capacity(); j < t * codes.capacity() + codes.counts()[t]; j++) {
                int i = codes.ids()[j];
                float dz = active(codes, j, i) ? codes.dActs()[j] : 0;
                codes.dz()[j] = dz;
                gradients.bias[i] += dz;
                gradients.product[i] += dz;
                if (Math.abs(codes.z()[j] - theta[i]) < eps / 2) {
                    double dTheta = -(theta[i] * codes.dActs()[j] + ofStep) / eps;
                    gradients.first[i] += dTheta * theta[i];
                }
            }
        }
    }

    @Override
    public void collect(FeatureGradients gradients, TensorArena memory) {
        parameters.gradient(SaeParameters.B_ENC).upload(FeatureGradients.floats(gradients.bias));
        parameters.gradient(SaeParameters.LOG_THRESHOLD).upload(FeatureGradients.floats(gradients.first));
    }
}
