package io.sails4j.loop;

import io.sails4j.objective.StepReadings;
import io.sails4j.ops.AdamwOptions;
import io.sails4j.ops.DynamicCode;
import io.sails4j.ops.Ops;
import io.sails4j.ops.OptimizerOps;
import io.sails4j.ops.Projected;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.train.OptimizerOptions;
import io.sails4j.train.OptimizerState;
import io.sails4j.train.TrainingException;
import io.sails4j.trainable.RemainderPieces;
import io.sails4j.trainable.Trainable;
import java.util.ArrayList;
import java.util.Collections;
import java.util.IdentityHashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.function.IntToDoubleFunction;
import org.jspecify.annotations.Nullable;

/**
 * AdamW (arXiv:1711.05101) with clipping by the norm of all gradients together: the gradients are multiplied by min(1, max_grad_norm /
 * (norm + 1e-6)) (pytorch/pytorch torch/nn/utils/clip_grad.py). Weight decay leaves vectors alone unless asked; lora_B may have a learning
 * rate of its own (LoRA+, arXiv:2402.12354). Moments are F32, or 8 bits by blocks (arXiv:2110.02861) for tensors of {@link #LEAST_8BIT}
 * elements and more.
 */
public final class AdamwOptimizer implements AutoCloseable {
    /** Smaller tensors keep F32 moments: they cost little and are the ones that 8 bits hurt (bitsandbytes min_8bit_size). */
    public static final int LEAST_8BIT = 4096;
    private static final double CLIP_EPS = 1e-6;

    private final Ops ops;
    private final List<Trainable.Parameter> parameters;
    private final List<Tensor> gradients;
    private final SequencedMap<String, Tensor> state = new LinkedHashMap<>();
    private final List<Tensor> owned = new ArrayList<>();
    private final List<Group> groups = new ArrayList<>();
    private final AdamwOptions options;
    private final double maxGradNorm;
    private final @Nullable Tensor signedCode;
    private final @Nullable Tensor unsignedCode;
    private final @Nullable RemainderPieces pieces;
    /** Of each group its {@link OptimizerOps#adamwRates}, which its kernels read. */
    private final List<Tensor> rates = new ArrayList<>();
    private long step;

    /** What decides how a parameter is stepped: parameters that agree in it go in one call. */
    private record Rule(boolean held, double lrFactor, boolean decays, boolean in8bit, boolean remainder) {
    }

    private static final class Group {
        final Rule rule;
        final List<Tensor> values = new ArrayList<>();
        final List<Tensor> remainders = new ArrayList<>();
        final List<Tensor> m = new ArrayList<>();
        final List<Tensor> v = new ArrayList<>();
        final List<Tensor> mAbsmax = new ArrayList<>();
        final List<Tensor> vAbsmax = new ArrayList<>();
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
     * @param projected the parameters that must stay in a subspace; empty: none
     */
    public AdamwOptimizer(Trainable trainable, Device device, Ops ops, List<StepHook.ProjectedParameter> projected, OptimizerOptions more) {
        this.ops = ops;
        this.options = more.adamw();
        this.maxGradNorm = more.maxGradNorm();
        this.parameters = List.copyOf(trainable.parameters());
        this.gradients = parameters.stream().map(Trainable.Parameter::gradient).toList();
        try {
            this.signedCode = more.state().in8bit() ? code(device, DynamicCode.signed()) : null;
            this.unsignedCode = more.state().in8bit() ? code(device, DynamicCode.unsigned()) : null;
            Map<Tensor, StepHook.ProjectedParameter> subspaces = new IdentityHashMap<>();
            projected.forEach(h -> subspaces.put(h.value(), h));
            Map<Rule, Group> byRule = new LinkedHashMap<>();
            for (Trainable.Parameter parameter : parameters) {
                StepHook.ProjectedParameter subspace = subspaces.remove(parameter.value());
                boolean matrix = parameter.value().shape().rank() > 1;
                double lrFactor = parameter.name().contains(".lora_B.") ? more.loraPlusRatio() : 1;
                Rule rule = new Rule(subspace != null, lrFactor, matrix || more.decayVectors(),
                    more.state().in8bit() && parameter.value().numel() >= LEAST_8BIT,
                    parameter.remainder() != null);
                Group group = byRule.computeIfAbsent(rule, Group::new);
                addState(group, parameter, device);
                group.values.add(parameter.value());
                group.gradients.add(parameter.gradient());
                if (parameter.remainder() != null) {
                    group.remainders.add(parameter.remainder());
                    state.put("remainder." + parameter.name(), parameter.remainder());
                }
                if (subspace != null) {
                    group.bases.add(subspace.basis());
                    group.right.add(subspace.right());
                }
            }
            groups.addAll(byRule.values());
            groups.forEach(_ -> rates.add(rates(device)));
            this.pieces = groups.stream().anyMatch(g -> g.rule.remainder) ? new RemainderPieces(device, ops) : null;
            if (!subspaces.isEmpty()) {
                throw new IllegalArgumentException(
                    subspaces.size() + " of " + projected.size() + " held tensors are no parameters of the trainable");
            }
        } catch (RuntimeException | Error e) {
            // Half an optimizer is nobody's.
            owned.forEach(Tensor::close);
            throw e;
        }
    }

    private Tensor rates(Device device) {
        Tensor numbers = device.allocate(DType.F32, Shape.of(OptimizerOps.ADAMW_RATES));
        owned.add(numbers);
        return numbers;
    }

    private Tensor code(Device device, float[] values) {
        Tensor code = device.allocate(DType.F32, Shape.of(values.length));
        code.upload(values);
        owned.add(code);
        return code;
    }

    private void addState(Group group, Trainable.Parameter parameter, Device device) {
        Shape shape = parameter.value().shape();
        if (!group.rule.in8bit) {
            group.m.add(own(device, "m.", parameter, DType.F32, shape));
            group.v.add(own(device, "v.", parameter, DType.F32, shape));
            return;
        }
        long[] sizes = OptimizerOps.adamw8bitSizes(parameter.value().numel());
        group.m.add(own(device, "m.", parameter, DType.I32, Shape.of(sizes[0])));
        group.mAbsmax.add(own(device, "m_absmax.", parameter, DType.F32, Shape.of(sizes[1])));
        group.v.add(own(device, "v.", parameter, DType.I32, Shape.of(sizes[0])));
        group.vAbsmax.add(own(device, "v_absmax.", parameter, DType.F32, Shape.of(sizes[1])));
    }

    private Tensor own(Device device, String prefix, Trainable.Parameter parameter, DType dtype, Shape shape) {
        Tensor tensor = device.zeros(dtype, shape);
        owned.add(tensor);
        state.put(prefix + parameter.name(), tensor);
        return tensor;
    }

    /** Plain AdamW on parameters that nothing holds. */
    public AdamwOptimizer(Trainable trainable, Device device, Ops ops, AdamwOptions options, double maxGradNorm) {
        this(trainable, device, ops, List.of(), new OptimizerOptions(options, maxGradNorm, 1, true, 0, OptimizerState.exact()));
    }

    /** Steps taken. */
    public long steps() {
        return step;
    }

    /**
     * The moments by parameter, and {@code remainder.NAME} where there is one: {@code m.NAME} and {@code v.NAME} F32; or in 8 bits, four
     * codes an I32 element, beside {@code m_absmax.NAME} and {@code v_absmax.NAME} F32 for blocks of 256.
     */
    public SequencedMap<String, Tensor> state() {
        return Collections.unmodifiableSequencedMap(state);
    }

    /** Goes on after a step of an earlier run whose state has been put back. */
    public void resumeAt(long steps) {
        step = steps;
    }

    /** Room for the squares of the gradients' norms, which {@link #queueRates} needs to have been read. */
    StepReadings.Reading allotNorms(StepReadings readings) {
        return readings.add(DType.F64, gradients.size());
    }

    /** Queues them. */
    void queueNorms(Tensor squares) {
        ops.elementwise().sumOfSquares(squares, gradients);
    }

    /**
     * One step with lr * {@code lrFactor}; waits.
     *
     * @return the norm of all gradients before clipping
     * @throws TrainingException where a gradient is not finite; nothing was changed then
     */
    public double step(double lrFactor) {
        double[] squares = ops.elementwise().sumOfSquares(gradients);
        double norm = queueRates(lrFactor, i -> squares[i]);
        queueUpdate();
        return norm;
    }

    /**
     * The part of a step that differs from the others: queues what {@link #queueUpdate} reads, given the squares of the gradients' norms.
     *
     * @return the norm of all gradients before clipping
     * @throws TrainingException where a gradient is not finite; nothing was changed then
     */
    double queueRates(double lrFactor, IntToDoubleFunction squares) {
        double sum = 0;
        for (int i = 0; i < parameters.size(); i++) {
            if (!Double.isFinite(squares.applyAsDouble(i))) {
                throw new TrainingException("the gradient of " + parameters.get(i).name() + " is not finite in step " + (step + 1)
                    + "; lower the learning rate, or compute in f32");
            }
            sum += squares.applyAsDouble(i);
        }
        double norm = Math.sqrt(sum);
        double scale = clipScale(norm, maxGradNorm);
        step++;
        for (int i = 0; i < groups.size(); i++) {
            Rule rule = groups.get(i).rule;
            ops.optimizer().adamwRates(rates.get(i), step, scale, new AdamwOptions(options.lr() * lrFactor * rule.lrFactor,
                options.beta1(), options.beta2(), options.eps(), rule.decays ? options.weightDecay() : 0));
        }
        return norm;
    }

    /** Queues the update itself: the same calls in every step. */
    void queueUpdate() {
        for (int i = 0; i < groups.size(); i++) {
            update(groups.get(i), rates.get(i));
        }
    }

    /** Parameters that have a remainder, piece by piece in F32. */
    private void updateRemainders(Group group, RemainderPieces memory, Tensor now) {
        for (int i = 0; i < group.values.size(); i++) {
            int at = i;
            memory.each(group.values.get(i), group.remainders.get(i), (piece, from) -> {
                long n = piece.numel();
                List<Tensor> gradient = List.of(part(group.gradients.get(at), from, n));
                if (!group.rule.in8bit) {
                    ops.optimizer().adamw(List.of(piece), List.of(part(group.m.get(at), from, n)), List.of(part(group.v.get(at), from, n)),
                        gradient, now);
                    return;
                }
                long[] sizes = OptimizerOps.adamw8bitSizes(n);
                long[] before = OptimizerOps.adamw8bitSizes(from);
                ops.optimizer().adamw8bit(List.of(piece), List.of(part(group.m.get(at), before[0], sizes[0])),
                    List.of(part(group.v.get(at), before[0], sizes[0])),
                    List.of(part(group.mAbsmax.get(at), before[1], sizes[1])), List.of(part(group.vAbsmax.get(at), before[1], sizes[1])),
                    gradient,
                    Objects.requireNonNull(signedCode), Objects.requireNonNull(unsignedCode), now);
            });
        }
    }

    private static Tensor part(Tensor tensor, long from, long n) {
        return tensor.view(tensor.numel()).rows(from, n);
    }

    private void update(Group group, Tensor now) {
        if (pieces != null && group.rule.remainder) {
            updateRemainders(group, pieces, now);
        } else if (group.rule.in8bit) {
            ops.optimizer().adamw8bit(group.values, group.m, group.v, group.mAbsmax, group.vAbsmax, group.gradients,
                Objects.requireNonNull(signedCode), Objects.requireNonNull(unsignedCode), now);
            if (group.rule.held) {
                ops.optimizer().projectSet(group.values, group.values, group.bases, group.sides());
            }
        } else if (group.rule.held) {
            ops.optimizer().adamwProjected(group.values, group.m, group.v, group.gradients, group.bases, group.sides(), Projected.UPDATE,
                now);
        } else {
            ops.optimizer().adamw(group.values, group.m, group.v, group.gradients, now);
        }
    }

    static double clipScale(double norm, double maxGradNorm) {
        return maxGradNorm == 0 ? 1 : Math.min(1, maxGradNorm / (norm + CLIP_EPS));
    }

    @Override
    public void close() {
        owned.forEach(Tensor::close);
        if (pieces != null) {
            pieces.close();
        }
    }
}
