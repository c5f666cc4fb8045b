package io.sails4j.model;

import io.sails4j.ops.AttentionShape;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * One transformer block, forward and backward side by side. Order of operations: google/gemma_pytorch gemma/model.py (Gemma2DecoderLayer):
 * resid_mid = resid_pre + norm(attention(norm(resid_pre))), resid_post = resid_mid + norm(mlp(norm(resid_mid))); Llama has the inner norms
 * only (huggingface/transformers modeling_llama.py, LlamaDecoderLayer).
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
    record Saved(NormSaved inputNorm, Tensor q, Tensor k, Tensor v, Tensor z, Tensor lse, @Nullable NormSaved postAttentionNorm,
                 NormSaved preFeedforwardNorm, Tensor gate, Tensor up, @Nullable NormSaved postFeedforwardNorm,
                 Map<Projection, Linear.Saved> linears) {
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
            Linear.Result result = linears.get(projection).forward(step, x, dtype, memory);
            saved.put(projection, result.saved());
            return result.y();
        }

        NormSaved saved(Tensor x) {
            return new NormSaved(x, memory.allocate(DType.F32, step.tokens()));
        }

        Tensor norm(NormSaved norm, Tensor weight) {
            Tensor y = memory.allocate(step.computeDtype(), step.tokens(), config.dModel());
            step.ops().rmsnormForward(y, norm.rstd(), norm.x(), weight, null, (float) config.rmsNormEps(), config.family().normOffset());
            return y;
        }

        /** residual + norm(x), or residual + x in x's place where the family has no norm there. */
        Tensor addTo(Tensor residual, Tensor x, @Nullable NormSaved norm, LayerWeights.@Nullable Norm weight) {
            if (norm == null || weight == null) {
                step.ops().axpby(x, residual, 1, 1);
                return x;
            }
            Tensor y = memory.allocate(DType.F32, step.tokens(), config.dModel());
            step.ops().rmsnormForward(y, norm.rstd(), x, weight.weight(), residual, (float) config.rmsNormEps(), config.family().normOffset());
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
        NormSaved inputNorm = f.saved(residPre);
        Tensor normed = f.norm(inputNorm, weights.inputNorm().weight());
        Tensor q = rotated(step, f.linear(Projection.Q_PROJ, normed, type), config.nHeads());
        Tensor k = rotated(step, f.linear(Projection.K_PROJ, normed, type), config.nKvHeads());
        Tensor v = f.linear(Projection.V_PROJ, normed, type);
        Tensor z = memory.allocate(type, step.tokens(), config.qWidth());
        Tensor lse = memory.allocate(DType.F32, step.tokens(), config.nHeads());
        attend(step, z, lse, q, k, v);
        Tensor attnOut = f.linear(Projection.O_PROJ, z, DType.F32);
        notify(listener, "attn_out.", attnOut);
        NormSaved postAttentionNorm = weights.postAttentionNorm() == null ? null : f.saved(attnOut);
        Tensor residMid = f.addTo(residPre, attnOut, postAttentionNorm, weights.postAttentionNorm());
        notify(listener, "hidden.mid.", residMid);
        NormSaved preFeedforwardNorm = f.saved(residMid);
        Tensor mlpIn = f.norm(preFeedforwardNorm, weights.preFeedforwardNorm().weight());
        Tensor gate = f.linear(Projection.GATE_PROJ, mlpIn, type);
        Tensor up = f.linear(Projection.UP_PROJ, mlpIn, type);
        Tensor act = memory.allocate(type, step.tokens(), config.dFf());
        step.ops().gluForward(act, gate, up, config.family().activation());
        Tensor mlpOut = f.linear(Projection.DOWN_PROJ, act, DType.F32);
        notify(listener, "mlp_out.", mlpOut);
        NormSaved postFeedforwardNorm = weights.postFeedforwardNorm() == null ? null : f.saved(mlpOut);
        Tensor residPost = f.addTo(residMid, mlpOut, postFeedforwardNorm, weights.postFeedforwardNorm());
        notify(listener, "hidden.layer.", residPost);
        Saved saved = !save ? null : new Saved(inputNorm, q, k, v, z, lse, postAttentionNorm, preFeedforwardNorm, gate, up, postFeedforwardNorm,
            f.saved);
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
        Tensor dMlpOut = normBackward(step, dResid, saved.postFeedforwardNorm(), weights.postFeedforwardNorm(), targets);
        Tensor dAct = scratch.allocate(DType.F32, n, config.dFf());
        linearBackward(step, Projection.DOWN_PROJ, dAct, false, dMlpOut, saved, targets);
        Tensor dActTyped = typed(step, dAct);
        Tensor dGate = scratch.allocate(step.computeDtype(), n, config.dFf());
        Tensor dUp = scratch.allocate(step.computeDtype(), n, config.dFf());
        step.ops().gluBackward(dGate, dUp, dActTyped, saved.gate(), saved.up(), config.family().activation());
        Tensor dMlpIn = scratch.allocate(DType.F32, n, config.dModel());
        linearBackward(step, Projection.GATE_PROJ, dMlpIn, false, dGate, saved, targets);
        linearBackward(step, Projection.UP_PROJ, dMlpIn, true, dUp, saved, targets);
        addNormBackward(step, dResid, dMlpIn, saved.preFeedforwardNorm(), weights.preFeedforwardNorm(), targets);
    }

    private void attentionBackward(Step step, Tensor dResid, Saved saved, BackwardTargets targets) {
        TensorArena scratch = step.scratch();
        long n = step.tokens();
        Tensor dAttnOut = normBackward(step, dResid, saved.postAttentionNorm(), weights.postAttentionNorm(), targets);
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
        addNormBackward(step, dResid, dNormed, saved.inputNorm(), weights.inputNorm(), targets);
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

    /** Through a norm whose output was added to the residual stream: gradient of its input, F32; dy itself where the family has no norm there. */
    private Tensor normBackward(Step step, Tensor dy, @Nullable NormSaved saved, LayerWeights.@Nullable Norm norm, BackwardTargets targets) {
        if (saved == null || norm == null) {
            return dy;
        }
        Tensor dx = step.scratch().allocate(DType.F32, step.tokens(), config.dModel());
        normBackward(step, dx, false, dy, saved, norm, targets);
        return dx;
    }

    /** Through a norm that read the residual stream: its input's gradient is added to dResid. */
    private void addNormBackward(Step step, Tensor dResid, Tensor dy, NormSaved saved, LayerWeights.Norm norm, BackwardTargets targets) {
        normBackward(step, dResid, true, dy, saved, norm, targets);
    }

    private void normBackward(Step step, Tensor dx, boolean accumulate, Tensor dy, NormSaved saved, LayerWeights.Norm norm, BackwardTargets targets) {
        step.ops().rmsnormBackward(dx, targets.parameters().get(norm.name()), dy, saved.x(), norm.weight(), saved.rstd(),
            config.family().normOffset(), accumulate);
    }
}
