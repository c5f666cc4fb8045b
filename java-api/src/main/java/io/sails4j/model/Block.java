package io.sails4j.model;

import io.sails4j.ops.AttentionShape;
import io.sails4j.ops.GluActivation;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One transformer block, forward and backward side by side. Order of operations: google/gemma_pytorch gemma/model.py (Gemma2DecoderLayer):
 * resid_mid = resid_pre + norm(attention(norm(resid_pre))), resid_post = resid_mid + norm(mlp(norm(resid_mid))).
 * The residual stream is F32; what enters a matmul has the compute type.
 */
final class Block {
    private final ModelConfig config;
    private final int layer;
    private final LayerWeights weights;
    private final Map<Projection, Linear> linears = new EnumMap<>(Projection.class);

    Block(ModelConfig config, int layer, LayerWeights weights) {
        this.config = config;
        this.layer = layer;
        this.weights = weights;
        weights.projections().forEach((projection, weight) -> linears.put(projection, new Linear(new ModuleKey(layer, projection), weight)));
    }

    /** A norm's input and saved rstd [n] F32. */
    private record NormSaved(Tensor x, Tensor rstd) {
    }

    /** What the backward needs. q and k after RoPE. */
    record Saved(NormSaved inputNorm, Tensor q, Tensor k, Tensor v, Tensor z, Tensor lse, NormSaved postAttentionNorm,
                 NormSaved preFeedforwardNorm, Tensor gate, Tensor up, NormSaved postFeedforwardNorm, Map<Projection, Linear.Saved> linears) {
    }

    /** A forward's result: resid_post [n, d_model] F32 and, where asked for, what the backward needs. */
    record Result(Tensor residPost, @Nullable Saved saved) {
    }

    private final class Forward {
        private final Step step;
        private final TensorArena memory;
        private final Map<Projection, Linear.Saved> saved = new EnumMap<>(Projection.class);

        Forward(Step step, TensorArena memory) {
            this.step = step;
            this.memory = memory;
        }

        Tensor linear(Projection projection, Tensor x, DType dtype) {
            Tensor[] h = new Tensor[step.adapters().adapters().size()];
            saved.put(projection, new Linear.Saved(x, h));
            return linears.get(projection).forward(step, x, dtype, memory, h);
        }

        Tensor rstd() {
            return memory.allocate(DType.F32, step.tokens());
        }

        Tensor norm(Tensor x, Tensor rstd, Tensor weight) {
            Tensor y = memory.allocate(step.computeDtype(), step.tokens(), config.dModel());
            step.ops().rmsnormForward(y, rstd, x, weight, null, (float) config.rmsNormEps(), 1);
            return y;
        }

        Tensor addNorm(Tensor residual, Tensor x, Tensor rstd, Tensor weight) {
            Tensor y = memory.allocate(DType.F32, step.tokens(), config.dModel());
            step.ops().rmsnormForward(y, rstd, x, weight, residual, (float) config.rmsNormEps(), 1);
            return y;
        }
    }

    /**
     * @param residPre [n, d_model] F32
     * @param memory where all results go
     */
    Result forward(Step step, Tensor residPre, TensorArena memory, boolean save, @Nullable TensorListener listener) {
        Forward f = new Forward(step, memory);
        DType type = step.computeDtype();
        Tensor rstd1 = f.rstd();
        Tensor normed = f.norm(residPre, rstd1, weights.inputNorm());
        Tensor q = rotated(step, f.linear(Projection.Q_PROJ, normed, type), config.nHeads());
        Tensor k = rotated(step, f.linear(Projection.K_PROJ, normed, type), config.nKvHeads());
        Tensor v = f.linear(Projection.V_PROJ, normed, type);
        Tensor z = memory.allocate(type, step.tokens(), config.qWidth());
        Tensor lse = memory.allocate(DType.F32, step.tokens(), config.nHeads());
        attend(step, z, lse, q, k, v);
        Tensor attnOut = f.linear(Projection.O_PROJ, z, DType.F32);
        notify(listener, "attn_out.", attnOut);
        Tensor rstd2 = f.rstd();
        Tensor residMid = f.addNorm(residPre, attnOut, rstd2, weights.postAttentionNorm());
        notify(listener, "hidden.mid.", residMid);
        Tensor rstd3 = f.rstd();
        Tensor mlpIn = f.norm(residMid, rstd3, weights.preFeedforwardNorm());
        Tensor gate = f.linear(Projection.GATE_PROJ, mlpIn, type);
        Tensor up = f.linear(Projection.UP_PROJ, mlpIn, type);
        Tensor act = memory.allocate(type, step.tokens(), config.dFf());
        step.ops().gluForward(act, gate, up, GluActivation.GELU_TANH);
        Tensor mlpOut = f.linear(Projection.DOWN_PROJ, act, DType.F32);
        notify(listener, "mlp_out.", mlpOut);
        Tensor rstd4 = f.rstd();
        Tensor residPost = f.addNorm(residMid, mlpOut, rstd4, weights.postFeedforwardNorm());
        notify(listener, "hidden.layer.", residPost);
        Saved saved = !save ? null : new Saved(new NormSaved(residPre, rstd1), q, k, v, z, lse, new NormSaved(attnOut, rstd2),
            new NormSaved(residMid, rstd3), gate, up, new NormSaved(mlpOut, rstd4), f.saved);
        return new Result(residPost, saved);
    }

    private Tensor rotated(Step step, Tensor x, long heads) {
        Tensor byHead = x.view(step.tokens(), heads, config.headDim());
        step.ops().rope(byHead, byHead, step.ropeTable(), false);
        return x;
    }

    private void attend(Step step, Tensor z, Tensor lse, Tensor q, Tensor k, Tensor v) {
        KvCache cache = step.cache();
        if (cache == null) {
            step.ops().attentionForward(z, lse, q, k, v, step.segments(), step.segments(), shape(step, step.batch().length(), 0,
                step.batch().length() * config.kvWidth()));
        } else {
            cache.append(layer, k, v);
            step.ops().attentionForward(z, lse, q, cache.keys(layer), cache.values(layer), step.segments(), cache.keySegments(),
                shape(step, cache.length() + step.batch().length(), cache.length(), cache.batchStride()));
        }
    }

    private AttentionShape shape(Step step, long nKeys, long queryOffset, long kvBatchStride) {
        return new AttentionShape(step.batch().batch(), step.batch().length(), nKeys, config.nHeads(), config.nKvHeads(), config.headDim(),
            kvBatchStride, queryOffset, config.isSliding(layer) ? config.slidingWindow() : 0,
            (float) (1 / Math.sqrt(config.queryPreAttnScalar())), (float) config.attnLogitSoftcap());
    }

    private void notify(@Nullable TensorListener listener, String name, Tensor value) {
        if (listener != null) {
            listener.accept(name + layer, value);
        }
    }

    /** Turns the gradient of resid_post into that of resid_pre, in place: dResid [n, d_model] F32. */
    void backward(Step step, Tensor dResid, Saved saved, BackwardTargets targets) {
        TensorArena scratch = step.scratch();
        TensorArena.Mark mark = scratch.mark();
        mlpBackward(step, dResid, saved, targets);
        scratch.release(mark);
        if (targets.listener() != null) {
            targets.listener().accept("hidden.mid." + layer, dResid);
        }
        attentionBackward(step, dResid, saved, targets);
        scratch.release(mark);
    }

    private void mlpBackward(Step step, Tensor dResid, Saved saved, BackwardTargets targets) {
        TensorArena scratch = step.scratch();
        long n = step.tokens();
        Tensor dMlpOut = normBackward(step, dResid, saved.postFeedforwardNorm(), LayerWeights.POST_FEEDFORWARD_NORM, weights.postFeedforwardNorm(), targets);
        Tensor dAct = scratch.allocate(DType.F32, n, config.dFf());
        linearBackward(step, Projection.DOWN_PROJ, dAct, false, dMlpOut, saved, targets);
        Tensor dActTyped = typed(step, dAct);
        Tensor dGate = scratch.allocate(step.computeDtype(), n, config.dFf());
        Tensor dUp = scratch.allocate(step.computeDtype(), n, config.dFf());
        step.ops().gluBackward(dGate, dUp, dActTyped, saved.gate(), saved.up(), GluActivation.GELU_TANH);
        Tensor dMlpIn = scratch.allocate(DType.F32, n, config.dModel());
        linearBackward(step, Projection.GATE_PROJ, dMlpIn, false, dGate, saved, targets);
        linearBackward(step, Projection.UP_PROJ, dMlpIn, true, dUp, saved, targets);
        addNormBackward(step, dResid, dMlpIn, saved.preFeedforwardNorm(), LayerWeights.PRE_FEEDFORWARD_NORM, weights.preFeedforwardNorm(), targets);
    }

    private void attentionBackward(Step step, Tensor dResid, Saved saved, BackwardTargets targets) {
        TensorArena scratch = step.scratch();
        long n = step.tokens();
        Tensor dAttnOut = normBackward(step, dResid, saved.postAttentionNorm(), LayerWeights.POST_ATTENTION_NORM, weights.postAttentionNorm(), targets);
        Tensor dz = scratch.allocate(DType.F32, n, config.qWidth());
        linearBackward(step, Projection.O_PROJ, dz, false, dAttnOut, saved, targets);
        Tensor dzTyped = typed(step, dz);
        Tensor dq = scratch.allocate(step.computeDtype(), n, config.qWidth());
        Tensor dk = scratch.allocate(step.computeDtype(), n, config.kvWidth());
        Tensor dv = scratch.allocate(step.computeDtype(), n, config.kvWidth());
        long length = step.batch().length();
        step.ops().attentionBackward(dq, dk, dv, dzTyped, saved.q(), saved.k(), saved.v(), saved.z(), saved.lse(), step.segments(),
            step.segments(), shape(step, length, 0, length * config.kvWidth()));
        unrotate(step, dq, config.nHeads());
        unrotate(step, dk, config.nKvHeads());
        Tensor dNormed = scratch.allocate(DType.F32, n, config.dModel());
        linearBackward(step, Projection.Q_PROJ, dNormed, false, dq, saved, targets);
        linearBackward(step, Projection.K_PROJ, dNormed, true, dk, saved, targets);
        linearBackward(step, Projection.V_PROJ, dNormed, true, dv, saved, targets);
        addNormBackward(step, dResid, dNormed, saved.inputNorm(), LayerWeights.INPUT_NORM, weights.inputNorm(), targets);
    }

    private void unrotate(Step step, Tensor dx, long heads) {
        Tensor byHead = dx.view(step.tokens(), heads, config.headDim());
        step.ops().rope(byHead, byHead, step.ropeTable(), true);
    }

    private void linearBackward(Step step, Projection projection, Tensor dx, boolean accumulate, Tensor dy, Saved saved, BackwardTargets targets) {
        linears.get(projection).backward(step, dx, accumulate, typed(step, dy), saved.linears().get(projection), targets);
    }

    /** The gradient in the compute type, for the next matmul. */
    private static Tensor typed(Step step, Tensor gradient) {
        if (gradient.dtype() == step.computeDtype()) {
            return gradient;
        }
        Tensor typed = step.scratch().allocate(step.computeDtype(), gradient.shape().toArray());
        step.ops().convert(typed, gradient);
        return typed;
    }

    /** Through a norm whose output was added to the residual stream: gradient of its input, F32. */
    private Tensor normBackward(Step step, Tensor dy, NormSaved saved, String name, Tensor weight, BackwardTargets targets) {
        Tensor dx = step.scratch().allocate(DType.F32, step.tokens(), config.dModel());
        step.ops().rmsnormBackward(dx, targets.parameters().get(LayerWeights.normName(layer, name)), dy, saved.x(), weight, saved.rstd(), 1, false);
        return dx;
    }

    /** Through a norm that read the residual stream: its input's gradient is added to dResid. */
    private void addNormBackward(Step step, Tensor dResid, Tensor dy, NormSaved saved, String name, Tensor weight, BackwardTargets targets) {
        step.ops().rmsnormBackward(dResid, targets.parameters().get(LayerWeights.normName(layer, name)), dy, saved.x(), weight, saved.rstd(), 1, true);
    }
}
