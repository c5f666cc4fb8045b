package io.sails4j.model;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.config.Projection;
import io.sails4j.ops.AttentionShape;
import io.sails4j.ops.GluKept;
import io.sails4j.ops.LinearMap;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.EnumMap;
import java.util.EnumSet;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * One transformer block, forward and backward side by side. Order of operations: google/gemma_pytorch gemma/model.py (Gemma2DecoderLayer):
 * resid_mid = resid_pre + norm(attention(norm(resid_pre))), resid_post = resid_mid + norm(mlp(norm(resid_mid))); Llama has the inner norms
 * only (huggingface/transformers modeling_llama.py, LlamaDecoderLayer).
 * The residual stream is F32; what enters a matmul has the compute type.
 */
final class Block {
    private static final Set<Projection> ATTENTION_INPUTS = EnumSet.of(Projection.Q_PROJ, Projection.K_PROJ, Projection.V_PROJ);
    private static final Set<Projection> MLP_INPUTS = EnumSet.of(Projection.GATE_PROJ, Projection.UP_PROJ);
    private static final Set<Projection> MLP_OUTPUT = EnumSet.of(Projection.DOWN_PROJ);

    private final ModelConfig config;
    private final int layer;
    private final LayerWeights weights;
    private final Map<Projection, Linear> linears = new EnumMap<>(Projection.class);

    Block(ModelConfig config, int layer, LayerWeights weights) {
        this.config = config;
        this.layer = layer;
        this.weights = weights;
        weights.projections()
            .forEach((projection, weight) -> linears.put(projection, new Linear(new ModuleKey(layer, projection), weight)));
    }

    /** The same block for one new token a sequence. */
    DecodeBlock decoding(StepMaps maps, StreamTaps taps) {
        return new DecodeBlock(config, layer, weights, linears, maps, taps);
    }

    /** A norm's input, null where it is computed again, and saved rstd [n] F32. */
    private record NormSaved(@Nullable Tensor x, Tensor rstd) {
        Tensor input() {
            return Objects.requireNonNull(x, "a norm's input was not computed again");
        }
    }

    /** What the backward needs. q and k after RoPE, which turns them in place. */
    record Saved(NormSaved inputNorm, Tensor q, Tensor k, Tensor v, Tensor z, Tensor lse, @Nullable NormSaved postAttentionNorm,
        NormSaved preFeedforwardNorm, Tensor gate, Tensor up, @Nullable NormSaved postFeedforwardNorm,
        Map<Projection, Linear.Saved> linears) {
    }

    /** A forward's result: resid_post [n, d_model] F32 and what the backward needs. */
    record Result(Tensor residPost, Saved saved) {
    }

    /** The inside of the MLP, each [n, d_ff] in the compute type. */
    private record Gated(Tensor gate, Tensor up, Tensor act) {
    }

    private final class Forward {
        private final PassState state;
        private final TensorArena memory;
        private final RecomputePlan.Kind kind;
        private final Map<Projection, Linear.Saved> saved = new EnumMap<>(Projection.class);

        /** @param memory of what stays; the rest goes to the pass's scratch memory */
        Forward(PassState state, TensorArena memory, RecomputePlan.Kind kind) {
            this.state = state;
            this.memory = memory;
            this.kind = kind;
        }

        /** Whether the input that these projections share stays. */
        private boolean stays(Set<Projection> readers) {
            return kind == RecomputePlan.Kind.NONE && needsInput(state, readers);
        }

        Tensor linear(Projection projection, Tensor x, boolean stays, DType dtype) {
            Linear.Result result = mapOf(projection).forward(state, x, dtype, memory);
            saved.put(projection, stays ? result.saved() : result.saved().withX(null));
            return result.y();
        }

        /** Gate, up and act(gate) * up, in one pass over the input where neither map has more than one adapter. */
        Gated gated(Tensor x, boolean xStays, TensorArena actPlace) {
            Linear gateMap = mapOf(Projection.GATE_PROJ);
            Linear upMap = mapOf(Projection.UP_PROJ);
            LinearMap gateSingle = gateMap.single(state.adapters());
            LinearMap upSingle = upMap.single(state.adapters());
            if (gateSingle == null || upSingle == null) {
                Tensor gate = linear(Projection.GATE_PROJ, x, xStays, state.computeDtype());
                Tensor up = linear(Projection.UP_PROJ, x, xStays, state.computeDtype());
                return new Gated(gate, up, activated(state, gate, up, actPlace));
            }
            Tensor gate = memory.allocate(state.computeDtype(), state.tokens(), config.dFf());
            Tensor up = memory.allocate(state.computeDtype(), state.tokens(), config.dFf());
            Tensor act = actPlace.allocate(state.computeDtype(), state.tokens(), config.dFf());
            Linear.Saved gateSaved = gateMap.savedOfSingle(state, x, memory);
            Linear.Saved upSaved = upMap.savedOfSingle(state, x, memory);
            state.ops().linear().linearGluForward(act, new GluKept(gate, up, gateSaved.only(), upSaved.only()), x, gateSingle, upSingle,
                config.family().activation());
            saved.put(Projection.GATE_PROJ, xStays ? gateSaved : gateSaved.withX(null));
            saved.put(Projection.UP_PROJ, xStays ? upSaved : upSaved.withX(null));
            return new Gated(gate, up, act);
        }

        NormSaved saved(Tensor x) {
            return new NormSaved(x, memory.allocate(DType.F32, state.tokens()));
        }

        private TensorArena placeOf(boolean stays) {
            return stays ? memory : state.scratch();
        }
    }

    private boolean needsInput(PassState state, Set<Projection> readers) {
        return readers.stream().anyMatch(p -> state.needsInput(new ModuleKey(layer, p)));
    }

    /** The norm of [n, d_model] F32 in the compute type. */
    private Tensor norm(PassState state, NormSaved norm, Tensor weight, TensorArena place) {
        Tensor y = place.allocate(state.computeDtype(), state.tokens(), config.dModel());
        state.ops().block().rmsnormForward(y, norm.rstd(), norm.input(), weight, null, (float) config.rmsNormEps(),
            config.family().normOffset());
        return y;
    }

    /** residual + norm(x), or residual + x in x's place where the family has no norm there. */
    private Tensor addTo(PassState state, Tensor residual, Tensor x, @Nullable NormSaved norm, LayerWeights.@Nullable Norm weight,
        TensorArena place) {
        if (norm == null || weight == null) {
            state.ops().elementwise().axpby(x, residual, 1, 1);
            return x;
        }
        Tensor y = place.allocate(DType.F32, state.tokens(), config.dModel());
        state.ops().block().rmsnormForward(y, norm.rstd(), x, weight.weight(), residual, (float) config.rmsNormEps(),
            config.family().normOffset());
        return y;
    }

    private Tensor activated(PassState state, Tensor gate, Tensor up, TensorArena place) {
        Tensor act = place.allocate(state.computeDtype(), state.tokens(), config.dFf());
        state.ops().block().gluForward(act, gate, up, config.family().activation());
        return act;
    }

    /**
     * @param residPre [n, d_model] F32
     * @param memory where the result goes, and what is kept for the backward
     * @param kind NONE or SELECTIVE: what is kept
     */
    Result forward(PassState state, Tensor residPre, TensorArena memory, RecomputePlan.Kind kind, StreamTaps taps) {
        Forward f = new Forward(state, memory, kind);
        DType type = state.computeDtype();
        NormSaved inputNorm = f.saved(residPre);
        boolean normedStays = f.stays(ATTENTION_INPUTS);
        Tensor normed = norm(state, inputNorm, weights.inputNorm().weight(), f.placeOf(normedStays));
        Tensor q = rotated(state, f.linear(Projection.Q_PROJ, normed, normedStays, type), config.nHeads());
        Tensor k = rotated(state, f.linear(Projection.K_PROJ, normed, normedStays, type), config.nKvHeads());
        Tensor v = f.linear(Projection.V_PROJ, normed, normedStays, type);
        Tensor z = memory.allocate(type, state.tokens(), config.qWidth());
        Tensor lse = memory.allocate(DType.F32, state.tokens(), config.nHeads());
        attend(state, z, lse, q, k, v);
        Tensor attnOut = f.linear(Projection.O_PROJ, z, true, DType.F32);
        taps.at(Site.ATTENTION_OUT, layer, attnOut, state.scratch());
        NormSaved postAttentionNorm = weights.postAttentionNorm() == null ? null : f.saved(attnOut);
        // Where there is no norm the sum stands in the product's place and stays with it.
        boolean midStays = kind == RecomputePlan.Kind.NONE || postAttentionNorm == null;
        Tensor residMid = addTo(state, residPre, attnOut, postAttentionNorm, weights.postAttentionNorm(), f.placeOf(midStays));
        taps.at(Site.MID, layer, residMid, state.scratch());
        NormSaved preFeedforwardNorm = f.saved(residMid);
        boolean mlpInStays = f.stays(MLP_INPUTS);
        Tensor mlpIn = norm(state, preFeedforwardNorm, weights.preFeedforwardNorm().weight(), f.placeOf(mlpInStays));
        boolean actStays = f.stays(MLP_OUTPUT);
        Gated gated = f.gated(mlpIn, mlpInStays, f.placeOf(actStays));
        Tensor mlpOut = f.linear(Projection.DOWN_PROJ, gated.act(), actStays, DType.F32);
        taps.at(Site.MLP_OUT, layer, mlpOut, state.scratch());
        NormSaved postFeedforwardNorm = weights.postFeedforwardNorm() == null ? null : f.saved(mlpOut);
        Tensor residPost = addTo(state, residMid, mlpOut, postFeedforwardNorm, weights.postFeedforwardNorm(), memory);
        taps.at(Site.LAYER, layer, residPost, state.scratch());
        return new Result(residPost, new Saved(inputNorm, q, k, v, z, lse, postAttentionNorm,
            new NormSaved(midStays ? residMid : null, preFeedforwardNorm.rstd()), gated.gate(), gated.up(), postFeedforwardNorm, f.saved));
    }

    /** What a forward that kept SELECTIVEly has left out and the backward needs, computed again into {@code memory}. */
    Saved restored(PassState state, Tensor residPre, Saved s, TensorArena memory) {
        NormSaved preFeedforwardNorm = s.preFeedforwardNorm();
        NormSaved attnNorm = s.postAttentionNorm();
        if (preFeedforwardNorm.x() == null && attnNorm != null) {
            preFeedforwardNorm = new NormSaved(addTo(state, residPre, attnNorm.input(), attnNorm, weights.postAttentionNorm(), memory),
                preFeedforwardNorm.rstd());
        }
        Map<Projection, Linear.Saved> inputs = new EnumMap<>(s.linears());
        if (needsInput(state, ATTENTION_INPUTS)) {
            putInput(inputs, ATTENTION_INPUTS, norm(state, s.inputNorm(), weights.inputNorm().weight(), memory));
        }
        if (needsInput(state, MLP_INPUTS)) {
            putInput(inputs, MLP_INPUTS, norm(state, preFeedforwardNorm, weights.preFeedforwardNorm().weight(), memory));
        }
        if (needsInput(state, MLP_OUTPUT)) {
            putInput(inputs, MLP_OUTPUT, activated(state, s.gate(), s.up(), memory));
        }
        return new Saved(s.inputNorm(), s.q(), s.k(), s.v(), s.z(), s.lse(), attnNorm, preFeedforwardNorm, s.gate(), s.up(),
            s.postFeedforwardNorm(), inputs);
    }

    /** A block has every projection. */
    private Linear mapOf(Projection projection) {
        return Objects.requireNonNull(linears.get(projection));
    }

    private static void putInput(Map<Projection, Linear.Saved> linears, Set<Projection> readers, Tensor x) {
        readers.forEach(p -> linears.computeIfPresent(p, (_, saved) -> saved.withX(x)));
    }

    private Tensor rotated(PassState state, Tensor x, long heads) {
        Tensor byHead = x.view(state.tokens(), heads, config.headDim());
        state.ops().block().rope(byHead, byHead, state.ropeTable(), false);
        return x;
    }

    private void attend(PassState state, Tensor z, Tensor lse, Tensor q, Tensor k, Tensor v) {
        PassCache cache = state.cache();
        if (cache == null) {
            state.ops().attention().attentionForward(z, lse, q, k, v, state.segments(), state.segments(),
                shape(state, state.batch().length(), 0,
                    state.batch().length() * config.kvWidth()));
        } else {
            cache.append(layer, k, v);
            state.ops().attention().attentionForward(z, lse, q, cache.keys(layer), cache.values(layer), state.segments(),
                cache.keySegments(),
                shape(state, cache.length() + state.batch().length(), cache.length(), cache.batchStride()));
        }
    }

    private AttentionShape shape(PassState state, long nKeys, long queryOffset, long kvBatchStride) {
        return new AttentionShape(state.batch().batch(), state.batch().length(), nKeys, config.nHeads(), config.nKvHeads(),
            config.headDim(),
            kvBatchStride, queryOffset, config.isSliding(layer) ? config.slidingWindow() : 0,
            (float) (1 / Math.sqrt(config.queryPreAttnScalar())), (float) config.attnLogitSoftcap());
    }

    /** Turns the gradient of resid_post into that of resid_pre, in place: dResid [n, d_model] F32. */
    void backward(PassState state, Tensor dResid, Saved saved, GradientTargets targets) {
        TensorArena scratch = state.scratch();
        TensorArena.Mark mark = scratch.mark();
        mlpBackward(state, dResid, saved, targets);
        scratch.release(mark);
        if (targets.listener() != null) {
            targets.listener().accept(Site.MID, layer, dResid);
        }
        attentionBackward(state, dResid, saved, targets);
        scratch.release(mark);
    }

    private void mlpBackward(PassState state, Tensor dResid, Saved saved, GradientTargets targets) {
        TensorArena scratch = state.scratch();
        long n = state.tokens();
        Tensor dMlpOut = normBackward(state, dResid, saved.postFeedforwardNorm(), weights.postFeedforwardNorm(), targets);
        Tensor dAct = scratch.allocate(mapOf(Projection.DOWN_PROJ).gradientType(state), n, config.dFf());
        linearBackward(state, Projection.DOWN_PROJ, dAct, false, dMlpOut, saved, targets);
        Tensor dActTyped = typed(state, dAct);
        Tensor dGate = scratch.allocate(state.computeDtype(), n, config.dFf());
        Tensor dUp = scratch.allocate(state.computeDtype(), n, config.dFf());
        state.ops().block().gluBackward(dGate, dUp, dActTyped, saved.gate(), saved.up(), config.family().activation());
        Tensor dMlpIn = scratch.allocate(DType.F32, n, config.dModel());
        linearBackward(state, Projection.GATE_PROJ, dMlpIn, false, dGate, saved, targets);
        linearBackward(state, Projection.UP_PROJ, dMlpIn, true, dUp, saved, targets);
        addNormBackward(state, dResid, dMlpIn, saved.preFeedforwardNorm(), weights.preFeedforwardNorm(), targets);
    }

    private void attentionBackward(PassState state, Tensor dResid, Saved saved, GradientTargets targets) {
        TensorArena scratch = state.scratch();
        long n = state.tokens();
        Tensor dAttnOut = normBackward(state, dResid, saved.postAttentionNorm(), weights.postAttentionNorm(), targets);
        Tensor dz = scratch.allocate(mapOf(Projection.O_PROJ).gradientType(state), n, config.qWidth());
        linearBackward(state, Projection.O_PROJ, dz, false, dAttnOut, saved, targets);
        Tensor dzTyped = typed(state, dz);
        Tensor dq = scratch.allocate(state.computeDtype(), n, config.qWidth());
        Tensor dk = scratch.allocate(state.computeDtype(), n, config.kvWidth());
        Tensor dv = scratch.allocate(state.computeDtype(), n, config.kvWidth());
        long length = state.batch().length();
        state.ops().attention().attentionBackward(dq, dk, dv, dzTyped, saved.q(), saved.k(), saved.v(), saved.z(), saved.lse(),
            state.segments(),
            state.segments(), shape(state, length, 0, length * config.kvWidth()));
        unrotate(state, dq, config.nHeads());
        unrotate(state, dk, config.nKvHeads());
        Tensor dNormed = scratch.allocate(DType.F32, n, config.dModel());
        linearBackward(state, Projection.Q_PROJ, dNormed, false, dq, saved, targets);
        linearBackward(state, Projection.K_PROJ, dNormed, true, dk, saved, targets);
        linearBackward(state, Projection.V_PROJ, dNormed, true, dv, saved, targets);
        addNormBackward(state, dResid, dNormed, saved.inputNorm(), weights.inputNorm(), targets);
    }

    private void unrotate(PassState state, Tensor dx, long heads) {
        Tensor byHead = dx.view(state.tokens(), heads, config.headDim());
        state.ops().block().rope(byHead, byHead, state.ropeTable(), true);
    }

    private void linearBackward(PassState state, Projection projection, Tensor dx, boolean accumulate, Tensor dy, Saved saved,
        GradientTargets targets) {
        mapOf(projection).backward(state, dx, accumulate, typed(state, dy), Objects.requireNonNull(saved.linears().get(projection)),
            targets);
    }

    /** The gradient in the compute type, for the next matmul. */
    private static Tensor typed(PassState state, Tensor gradient) {
        if (gradient.dtype() == state.computeDtype()) {
            return gradient;
        }
        Tensor typed = state.scratch().allocate(state.computeDtype(), gradient.shape().toArray());
        state.ops().elementwise().convert(typed, gradient);
        return typed;
    }

    /**
     * Through a norm whose output was added to the residual stream: gradient of its input, F32; dy itself where the family has no norm
     * there.
     */
    private Tensor normBackward(PassState state, Tensor dy, @Nullable NormSaved saved, LayerWeights.@Nullable Norm norm,
        GradientTargets targets) {
        if (saved == null || norm == null) {
            return dy;
        }
        Tensor dx = state.scratch().allocate(DType.F32, state.tokens(), config.dModel());
        normBackward(state, dx, false, dy, saved, norm, targets);
        return dx;
    }

    /** Through a norm that read the residual stream: its input's gradient is added to dResid. */
    private void addNormBackward(PassState state, Tensor dResid, Tensor dy, NormSaved saved, LayerWeights.Norm norm,
        GradientTargets targets) {
        normBackward(state, dResid, true, dy, saved, norm, targets);
    }

    private void normBackward(PassState state, Tensor dx, boolean accumulate, Tensor dy, NormSaved saved, LayerWeights.Norm norm,
        GradientTargets targets) {
        state.ops().block().rmsnormBackward(dx, targets.parameters().get(norm.name()), dy, saved.input(), norm.weight(), saved.rstd(),
            config.family().normOffset(), accumulate);
    }
}
