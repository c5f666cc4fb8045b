package io.sails4j.train;

import io.sails4j.ops.AdamwOptions;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;

/**
 * AdamW (arXiv:1711.05101) with clipping by the norm of all gradients together: the gradients are multiplied by
 * min(1, max_grad_norm / (norm + 1e-6)) (pytorch/pytorch torch/nn/utils/clip_grad.py).
 */
public final class AdamwOptimizer implements AutoCloseable {
    private static final double CLIP_EPS = 1e-6;

    private final Ops ops;
    private final List<Tensor> values;
    private final List<Tensor> gradients;
    private final List<String> names;
    private final List<Tensor> m = new ArrayList<>();
    private final List<Tensor> v = new ArrayList<>();
    private final AdamwOptions options;
    private final double maxGradNorm;
    private long step;

    /**
     * @param options its lr is that of {@link #step} with factor 1
     * @param maxGradNorm 0 = no clipping
     */
    public AdamwOptimizer(Trainable trainable, Device device, Ops ops, AdamwOptions options, double maxGradNorm) {
        this.ops = ops;
        this.options = options;
        this.maxGradNorm = maxGradNorm;
        this.values = trainable.parameters().stream().map(Trainable.Parameter::value).toList();
        this.gradients = trainable.parameters().stream().map(Trainable.Parameter::gradient).toList();
        this.names = trainable.parameters().stream().map(Trainable.Parameter::name).toList();
        for (Tensor value : values) {
            m.add(device.zeros(DType.F32, value.shape()));
            v.add(device.zeros(DType.F32, value.shape()));
        }
    }

    /** Steps taken. */
    public long steps() {
        return step;
    }

    /**
     * One step with lr * {@code lrFactor}.
     *
     * @return the norm of all gradients before clipping
     * @throws TrainingException where a gradient is not finite; nothing was changed then
     */
    public double step(double lrFactor) {
        double[] squares = ops.sumOfSquares(gradients);
        double sum = 0;
        for (int i = 0; i < squares.length; i++) {
            if (!Double.isFinite(squares[i])) {
                throw new TrainingException("the gradient of " + names.get(i) + " is not finite in step " + (step + 1)
                    + "; lower the learning rate, or compute in f32");
            }
            sum += squares[i];
        }
        double norm = Math.sqrt(sum);
        double scale = clipScale(norm, maxGradNorm);
        step++;
        ops.adamw(values, m, v, gradients, step, scale,
            new AdamwOptions(options.lr() * lrFactor, options.beta1(), options.beta2(), options.eps(), options.weightDecay()));
        return norm;
    }

    static double clipScale(double norm, double maxGradNorm) {
        return maxGradNorm == 0 ? 1 : Math.min(1, maxGradNorm / (norm + CLIP_EPS));
    }

    @Override
    public void close() {
        m.forEach(Tensor::close);
        v.forEach(Tensor::close);
    }
}
