package io.sails4j.train;

import io.sails4j.ops.AdamwOptions;
import io.sails4j.ops.Ops;
import io.sails4j.ops.Projected;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.List;
import java.util.Map;

/**
 * AdamW (arXiv:1711.05101) with clipping by the norm of all gradients together: the gradients are multiplied by
 * min(1, max_grad_norm / (norm + 1e-6)) (pytorch/pytorch torch/nn/utils/clip_grad.py).
 */
public final class AdamwOptimizer implements AutoCloseable {
    private static final double CLIP_EPS = 1e-6;

    private final Ops ops;
    private final List<Tensor> gradients;
    private final List<String> names;
    private final List<Tensor> moments = new ArrayList<>();
    private final Group free = new Group();
    private final Group held = new Group();
    private final List<Tensor> bases = new ArrayList<>();
    private final boolean[] right;
    private final AdamwOptions options;
    private final double maxGradNorm;
    private long step;

    /** Parameters that one call steps. */
    private static final class Group {
        final List<Tensor> values = new ArrayList<>();
        final List<Tensor> m = new ArrayList<>();
        final List<Tensor> v = new ArrayList<>();
        final List<Tensor> gradients = new ArrayList<>();
    }

    /**
     * @param options its lr is that of {@link #step} with factor 1
     * @param maxGradNorm 0 = no clipping
     * @param held the parameters that must stay in a subspace; empty: none
     */
    public AdamwOptimizer(Trainable trainable, Device device, Ops ops, AdamwOptions options, double maxGradNorm, List<StepHook.Held> held) {
        this.ops = ops;
        this.options = options;
        this.maxGradNorm = maxGradNorm;
        this.gradients = trainable.parameters().stream().map(Trainable.Parameter::gradient).toList();
        this.names = trainable.parameters().stream().map(Trainable.Parameter::name).toList();
        this.right = new boolean[held.size()];
        Map<Tensor, StepHook.Held> subspaces = new IdentityHashMap<>();
        held.forEach(h -> subspaces.put(h.value(), h));
        for (Trainable.Parameter parameter : trainable.parameters()) {
            StepHook.Held subspace = subspaces.remove(parameter.value());
            Group group = subspace == null ? this.free : this.held;
            if (subspace != null) {
                right[bases.size()] = subspace.right();
                bases.add(subspace.basis());
            }
            group.values.add(parameter.value());
            group.gradients.add(parameter.gradient());
            group.m.add(moment(device, parameter));
            group.v.add(moment(device, parameter));
        }
        if (!subspaces.isEmpty()) {
            throw new IllegalArgumentException(subspaces.size() + " of " + held.size() + " held tensors are no parameters of the trainable");
        }
    }

    private Tensor moment(Device device, Trainable.Parameter parameter) {
        Tensor moment = device.zeros(DType.F32, parameter.value().shape());
        moments.add(moment);
        return moment;
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
        AdamwOptions now = new AdamwOptions(options.lr() * lrFactor, options.beta1(), options.beta2(), options.eps(), options.weightDecay());
        ops.adamw(free.values, free.m, free.v, free.gradients, step, scale, now);
        ops.adamwProjected(held.values, held.m, held.v, held.gradients, bases, right, Projected.UPDATE, step, scale, now);
        return norm;
    }

    static double clipScale(double norm, double maxGradNorm) {
        return maxGradNorm == 0 ? 1 : Math.min(1, maxGradNorm / (norm + CLIP_EPS));
    }

    @Override
    public void close() {
        moments.forEach(Tensor::close);
    }
}
