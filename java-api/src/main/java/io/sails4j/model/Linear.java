package io.sails4j.model;

import io.sails4j.config.ModuleKey;
import io.sails4j.ops.LinearMap;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/** One linear map with its adapters: y = x W^T + sum of scale (x A^T) B^T; with DoRA the columns of that times magnitude / norm. */
final class Linear {
    private final ModuleKey key;
    private final Tensor weight;

    Linear(ModuleKey key, Tensor weight) {
        this.key = key;
        this.weight = weight;
    }

    /**
     * What the backward needs.
     *
     * @param x the input [n, d_in], null where no gradient needs it or it is computed again
     * @param h for each adapter of the stack x A^T [n, r], null where it has no part here
     * @param u with DoRA the map without its scale [n, d_out] F32
     */
    record Saved(@Nullable Tensor x, @Nullable Tensor[] h, @Nullable Tensor u) {
        Saved withX(@Nullable Tensor other) {
            return new Saved(other, h, u);
        }

        /** The h of the only adapter, null where there is none. */
        @Nullable
        Tensor only() {
            return Arrays.stream(h).filter(Objects::nonNull).findFirst().orElse(null);
        }

        Tensor input() {
            return Objects.requireNonNull(x, "the forward was told that nothing needs this input");
        }
    }

    /** The output [n, d_out] and what the backward needs. */
    record Result(Tensor y, Saved saved) {
    }

    /** y [n, d_out] of the given type, from {@code memory}. */
    Result forward(PassState state, Tensor x, DType yDtype, TensorArena memory) {
        Tensor y = memory.allocate(yDtype, state.tokens(), weight.dim(0));
        return new Result(y, into(state.ops(), y, x, state.adapters(), memory));
    }

    /** The same into y. The first adapter is part of the product, others are added to it. */
    Saved into(Ops ops, Tensor y, Tensor x, AdapterStack stack, TensorArena memory) {
        long n = y.dim(0);
        @Nullable
        LowRankAdapter[] adapters = stack.partsOf(key);
        @Nullable
        Tensor[] h = new @Nullable Tensor[adapters.length];
        int fused = first(adapters);
        for (int i = 0; i < adapters.length; i++) {
            h[i] = adapters[i] == null ? null : memory.allocate(DType.F32, n, adapters[i].r());
        }
        if (fused < 0) {
            product(ops, y, null, x, null);
            return new Saved(x, h, null);
        }
        LowRankAdapter adapter = Objects.requireNonNull(adapters[fused]);
        DoraScale dora = adapter.dora();
        Tensor u = dora == null ? y : memory.allocate(DType.F32, n, weight.dim(0));
        product(ops, u, h[fused], x, adapter);
        if (dora != null) {
            ops.linear().doraForward(y, u, dora.magnitude(),
                dora.norm(ops, weight, adapter.loraA(), adapter.loraB(), adapter.scale(), memory));
            return new Saved(x, h, u);
        }
        for (int i = fused + 1; i < adapters.length; i++) {
            if (adapters[i] != null) {
                ops.linear().loraForward(y, Objects.requireNonNull(h[i]), x, adapters[i].loraA(), adapters[i].loraB(), adapters[i].scale());
            }
        }
        return new Saved(x, h, null);
    }

    /** y = x W^T, with an adapter h = x A^T and y + scale h B^T, whatever the weight is kept as. */
    private void product(Ops ops, Tensor y, @Nullable Tensor h, Tensor x, @Nullable LowRankAdapter adapter) {
        Tensor a = adapter == null ? null : adapter.loraA();
        Tensor b = adapter == null ? null : adapter.loraB();
        float scale = adapter == null ? 0 : adapter.scale();
        if (weight.dtype().isPacked()) {
            ops.quantized().quantizedLinearForward(y, h, x, weight, a, b, scale);
        } else if (adapter == null) {
            ops.matmul().matmul(y, x, weight, false, true, 1, 0);
        } else {
            ops.linear().linearForward(y, h, x, weight, null, null, a, b, scale);
        }
    }

    ModuleKey key() {
        return key;
    }

    boolean isPacked() {
        return weight.dtype().isPacked();
    }

    /** The map without adapters, where the weight is not packed. */
    LinearMap plain() {
        return LinearMap.plain(weight);
    }

    /**
     * The map for an operation that does more than this one: with its only adapter or none; null where it has several, or one with a DoRA
     * scale, or where the weight is packed.
     */
    @Nullable
    LinearMap single(AdapterStack stack) {
        @Nullable
        LowRankAdapter[] adapters = stack.partsOf(key);
        int only = first(adapters);
        if (weight.dtype().isPacked()) {
            return null;
        }
        if (only < 0) {
            return LinearMap.plain(weight);
        }
        LowRankAdapter adapter = Objects.requireNonNull(adapters[only]);
        boolean alone = Arrays.stream(adapters).filter(Objects::nonNull).count() == 1;
        return alone && adapter.dora() == null ? new LinearMap(weight, adapter.loraA(), adapter.loraB(), adapter.scale()) : null;
    }

    /** What the backward needs of a {@link #single} map whose adapter's x A^T [n, r] will lie in {@link Saved#only}. */
    Saved savedOfSingle(PassState state, Tensor x, TensorArena memory) {
        @Nullable
        LowRankAdapter[] adapters = state.adapters().partsOf(key);
        @Nullable
        Tensor[] h = new @Nullable Tensor[adapters.length];
        int only = first(adapters);
        if (only >= 0) {
            h[only] = memory.allocate(DType.F32, state.tokens(), Objects.requireNonNull(adapters[only]).r());
        }
        return new Saved(x, h, null);
    }

    /**
     * What {@link #backward} can write a gradient in that the next product takes in the compute type: that one where no adapter is added
     * to it.
     */
    DType gradientType(PassState state) {
        return first(state.adapters().partsOf(key)) < 0 && !weight.dtype().isPacked() ? state.computeDtype() : DType.F32;
    }

    /**
     * dx [n, d_in] F32, or of {@link #gradientType}, = or += dy W + adapters; gradients of the weight and of the trained adapter where
     * asked for.
     */
    void backward(PassState state, Tensor dx, boolean accumulate, Tensor dy, Saved saved, GradientTargets targets) {
        Tensor dWeight = targets.parameters().get(key.path() + ".weight");
        if (dWeight != null) {
            state.ops().matmul().matmul(dWeight, dy, saved.input(), true, false, 1, 1);
        }
        @Nullable
        LowRankAdapter[] adapters = state.adapters().partsOf(key);
        int fused = first(adapters);
        if (fused < 0) {
            inputGradient(state.ops(), dx, accumulate, dy);
            return;
        }
        LowRankAdapter adapter = Objects.requireNonNull(adapters[fused]);
        LowRankGradient gradient = gradientOf(fused, targets);
        TensorArena.Mark mark = state.scratch().mark();
        if (adapter.dora() != null) {
            Tensor du = state.scratch().allocate(dy.dtype(), dy.shape().toArray());
            state.ops().linear().doraBackward(du, gradient == null ? null : gradient.dMagnitude(), dy, Objects.requireNonNull(saved.u()),
                adapter.dora().magnitude(), adapter.dora().norm(state.ops(), weight, adapter.loraA(), adapter.loraB(),
                    adapter.scale(), state.scratch()));
            dy = du;
        }
        Tensor da = gradient == null ? null : gradient.dLoraA();
        Tensor db = gradient == null ? null : gradient.dLoraB();
        if (weight.dtype().isPacked()) {
            state.ops().quantized().quantizedLinearBackward(dx, da, db, dy, saved.input(), weight, saved.h()[fused], adapter.loraA(),
                adapter.loraB(), adapter.scale(), accumulate);
        } else {
            state.ops().linear().linearBackward(dx, da, db, dy, saved.input(), weight, saved.h()[fused], adapter.loraA(), adapter.loraB(),
                adapter.scale(), accumulate);
        }
        state.scratch().release(mark);
        for (int i = fused + 1; i < adapters.length; i++) {
            if (adapters[i] != null) {
                adapterBackward(state, dx, dy, saved.input(), Objects.requireNonNull(saved.h()[i]), adapters[i], gradientOf(i, targets));
            }
        }
    }

    /** dx = or += dy W. */
    private void inputGradient(Ops ops, Tensor dx, boolean accumulate, Tensor dy) {
        if (weight.dtype().isPacked()) {
            ops.quantized().quantizedLinearBackward(dx, null, null, dy, null, weight, null, null, null, 0, accumulate);
        } else {
            ops.matmul().matmul(dx, dy, weight, false, false, 1, accumulate ? 1 : 0);
        }
    }

    /** The first adapter of the stack that has a part here, -1 if none. */
    private static int first(@Nullable LowRankAdapter[] adapters) {
        for (int i = 0; i < adapters.length; i++) {
            if (adapters[i] != null) {
                return i;
            }
        }
        return -1;
    }

    private @Nullable LowRankGradient gradientOf(int adapter, GradientTargets targets) {
        return adapter == targets.trainedAdapter() ? targets.lora().get(key) : null;
    }

    private void adapterBackward(PassState state, Tensor dx, Tensor dy, Tensor x, Tensor h, LowRankAdapter adapter,
        @Nullable LowRankGradient gradient) {
        TensorArena.Mark mark = state.scratch().mark();
        LowRankGradient target = gradient != null ? gradient
            : new LowRankGradient(state.scratch().zeros(DType.F32, adapter.loraA().shape().toArray()),
                state.scratch().zeros(DType.F32, adapter.loraB().shape().toArray()));
        state.ops().linear().loraBackward(dx, target.dLoraA(), target.dLoraB(), dy, x, h, adapter.loraA(), adapter.loraB(),
            adapter.scale());
        state.scratch().release(mark);
    }
}
