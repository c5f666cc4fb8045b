package io.sails4j.train;

import io.sails4j.ops.AdamwOptions;
import io.sails4j.ops.Ops;
import io.sails4j.ops.Projected;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * AdamW (arXiv:1711.05101) with clipping by the norm of all gradients together: the gradients are multiplied by
 * min(1, max_grad_norm / (norm + 1e-6)) (pytorch/pytorch torch/nn/utils/clip_grad.py). Weight decay leaves vectors alone unless asked;
 * lora_B may have a learning rate of its own (LoRA+, arXiv:2402.12354).
 */
public final class AdamwOptimizer implements AutoCloseable {
    private static final double CLIP_EPS = 1e-6;

    private final Ops ops;
    private final List<Trainable.Parameter> parameters;
    private final List<Tensor> gradients;
    private final Map<String, Moments> moments = new LinkedHashMap<>();
    private final List<Group> groups = new ArrayList<>();
    private final AdamwOptions options;
    private final double maxGradNorm;
    private long step;

    /**
     * The running means of one parameter.
     *
     * @param m of its gradient, F32
     * @param v of its gradient's square, F32
     */
    public record Moments(Tensor m, Tensor v) {
    }

    /** What decides how a parameter is stepped: parameters that agree in it go in one call. */
    private record Rule(boolean held, double lrFactor, boolean decays) {
    }

    private static final class Group {
        final Rule rule;
        final List<Tensor> values = new ArrayList<>();
        final List<Tensor> m = new ArrayList<>();
        final List<Tensor> v = new ArrayList<>();
        final List<Tensor> gradients = new ArrayList<>();
        final List<Tensor> bases = new ArrayList<>();
        final List<Boolean> right = new ArrayList<>();

        Group(Rule rule) {
            this.rule = rule;
        }

        boolean[] sides() {
            boolean[] sides = new boolean[right.size()];
            for (int i = 0; i < sides.length; i++) {
                sides[i] = right.get(i);
            }
            return sides;
        }
    }

    /**
     * @param options its lr is that of {@link #step} with factor 1
     * @param maxGradNorm 0 = no clipping
     * @param held the parameters that must stay in a subspace; empty: none
     */
    public AdamwOptimizer(Trainable trainable, Device device, Ops ops, AdamwOptions options, double maxGradNorm, List<StepHook.Held> held,
        OptimizerOptions more) {
        this.ops = ops;
        this.options = options;
        this.maxGradNorm = maxGradNorm;
        this.parameters = List.copyOf(trainable.parameters());
        this.gradients = parameters.stream().map(Trainable.Parameter::gradient).toList();
        Map<Tensor, StepHook.Held> subspaces = new IdentityHashMap<>();
        held.forEach(h -> subspaces.put(h.value(), h));
        Map<Rule, Group> byRule = new LinkedHashMap<>();
        for (Trainable.Parameter parameter : parameters) {
            StepHook.Held subspace = subspaces.remove(parameter.value());
            boolean matrix = parameter.value().shape().rank() > 1;
            double lrFactor = parameter.name().contains(".lora_B.") ? more.loraPlusRatio() : 1;
            Group group = byRule.computeIfAbsent(new Rule(subspace != null, lrFactor, matrix || more.decayVectors()), Group::new);
            Moments own = new Moments(device.zeros(DType.F32, parameter.value().shape()), device.zeros(DType.F32, parameter.value().shape()));
            moments.put(parameter.name(), own);
            group.values.add(parameter.value());
            group.gradients.add(parameter.gradient());
            group.m.add(own.m);
            group.v.add(own.v);
            if (subspace != null) {
                group.bases.add(subspace.basis());
                group.right.add(subspace.right());
            }
        }
        groups.addAll(byRule.values());
        if (!subspaces.isEmpty()) {
            throw new IllegalArgumentException(subspaces.size() + " of " + held.size() + " held tensors are no parameters of the trainable");
        }
    }

    /** Plain AdamW on parameters that nothing holds. */
    public AdamwOptimizer(Trainable trainable, Device device, Ops ops, AdamwOptions options, double maxGradNorm) {
        this(trainable, device, ops, options, maxGradNorm, List.of(), new OptimizerOptions(1, true, 0));
    }

    /** Steps taken. */
    public long steps() {
        return step;
    }

    /** The state by the parameters' names. */
    public Map<String, Moments> moments() {
        return java.util.Collections.unmodifiableMap(moments);
    }

    /** Goes on after a step of an earlier run whose moments have been put back. */
    public void resumeAt(long steps) {
        step = steps;
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
                throw new TrainingException("the gradient of " + parameters.get(i).name() + " is not finite in step " + (step + 1)
                    + "; lower the learning rate, or compute in f32");
            }
            sum += squares[i];
        }
        double norm = Math.sqrt(sum);
        double scale = clipScale(norm, maxGradNorm);
        step++;
        for (Group group : groups) {
            AdamwOptions now = new AdamwOptions(options.lr() * lrFactor * group.rule.lrFactor, options.beta1(), options.beta2(), options.eps(),
                group.rule.decays ? options.weightDecay() : 0);
            if (group.rule.held) {
                ops.adamwProjected(group.values, group.m, group.v, group.gradients, group.bases, group.sides(), Projected.UPDATE, step, scale, now);
            } else {
                ops.adamw(group.values, group.m, group.v, group.gradients, step, scale, now);
            }
        }
        return norm;
    }

    static double clipScale(double norm, double maxGradNorm) {
        return maxGradNorm == 0 ? 1 : Math.min(1, maxGradNorm / (norm + CLIP_EPS));
    }

    @Override
    public void close() {
        moments.values().forEach(own -> {
            own.m.close();
            own.v.close();
        });
    }
}
