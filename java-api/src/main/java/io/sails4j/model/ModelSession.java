package io.sails4j.model;

import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * The use of a model by one thread at a time: forward and backward passes, and the memory that they work in. Sessions of one model run
 * beside one another, in other threads too, and compute what each would alone. A call beside one of another thread throws
 * {@link IllegalStateException} that names the thread, and so does every call after {@link #close} but another close.
 */
public final class ModelSession implements AutoCloseable {
    private final CausalModel model;
    private final ModelConfig config;
    private final TensorArena kept;
    private final TensorArena scratch;
    private final SingleUse use = new SingleUse("the session");
    private boolean closed;

    private ModelSession(CausalModel model) {
        this.model = model;
        this.config = model.config();
        this.kept = new TensorArena(model.engine().device());
        this.scratch = new TensorArena(model.engine().device());
    }

    /**
     * The model stays open as long as the session.
     *
     * @throws IllegalStateException where the model is closed, or its weights are being trained and it has a session
     */
    public static ModelSession open(CausalModel model) {
        model.enter();
        return new ModelSession(model);
    }

    /** The model that the session uses. */
    public CausalModel model() {
        return model;
    }

    /** Runs the model over a batch. Close the result before the next forward, unless both are needed. */
    public ForwardPass forward(TokenBatch batch, AdapterStack adapters, ForwardOptions options) {
        return forward(batch, adapters, options, null);
    }

    /** Brings a batch to the device, for passes that can be recorded: they then copy nothing from the host. */
    public BatchTensors upload(TokenBatch batch) {
        try (SingleUse.Use _ = enter()) {
            requireIds(batch);
            scratch.reset();
            return new BatchTensors(batch, kept);
        }
    }

    /** Runs the model over a batch that is on the device; close the result before the batch. */
    public ForwardPass forward(BatchTensors in, AdapterStack adapters, ForwardOptions options) {
        return forward(in, kept.mark(), adapters, options, null);
    }

    /** The forward of new tokens after those in the cache, which it extends. */
    ForwardPass forward(TokenBatch batch, AdapterStack adapters, ForwardOptions options, @Nullable PassCache cache) {
        try (SingleUse.Use _ = enter()) {
            BatchTensors in = upload(batch);
            return forward(in, in.mark(), adapters, options, cache);
        }
    }

    private ForwardPass forward(BatchTensors in, TensorArena.Mark mark, AdapterStack adapters, ForwardOptions options,
        @Nullable PassCache cache) {
        try (SingleUse.Use _ = enter()) {
            return passed(in, mark, adapters, options, cache);
        } catch (RuntimeException | Error e) {
            // A listener's too: what the pass has taken until then is nobody's any more.
            kept.release(mark);
            scratch.reset();
            throw e;
        }
    }

    private ForwardPass passed(BatchTensors in, TensorArena.Mark mark, AdapterStack adapters, ForwardOptions options,
        @Nullable PassCache cache) {
        TokenBatch batch = in.batch();
        scratch.reset();
        long n = batch.size();
        Tensor ropeTable = kept.allocate(DType.F32, n, config.headDim() / 2, 2);
        model.ropeTable(ropeTable, in.positions());
        PassState state = new PassState(model.engine(), config, model.computeDtype(), kept, scratch, adapters, in, ropeTable, cache,
            options.frozenWeights());
        Tensor residual = kept.allocate(DType.F32, n, config.dModel());
        model.embed(residual, in.ids());
        StreamTaps taps = new StreamTaps(options.edit(), options.listener());
        taps.at(Site.EMBED, Site.NO_LAYER, residual, scratch);
        if (cache != null) {
            cache.begin(batch);
        }
        List<ForwardPass.SavedBlock> saved = new ArrayList<>();
        int last = options.lastLayer() < 0 ? config.nLayers() - 1 : options.lastLayer();
        for (int layer = 0; layer <= last; layer++) {
            residual = runBlock(state, layer, residual, options, taps, saved);
        }
        if (cache != null) {
            cache.commit(batch);
        }
        if (last < config.nLayers() - 1) {
            return new ForwardPass(state, mark, saved, residual, null, null);
        }
        Tensor finalNorm = kept.allocate(model.computeDtype(), n, config.dModel());
        Tensor rstd = kept.allocate(DType.F32, n);
        model.engine().ops().block().rmsnormForward(finalNorm, rstd, residual, model.weights().finalNorm(), null,
            (float) config.rmsNormEps(),
            config.family().normOffset());
        taps.at(Site.FINAL_NORM, Site.NO_LAYER, finalNorm, scratch);
        return new ForwardPass(state, mark, saved, residual, finalNorm, rstd);
    }

    private Tensor runBlock(PassState state, int layer, Tensor residual, ForwardOptions options, StreamTaps taps,
        List<ForwardPass.SavedBlock> saved) {
        RecomputePlan.Kind kind = options.recompute().of(layer);
        TensorArena.Mark blockMark = scratch.mark();
        if (options.saveForBackward() && kind != RecomputePlan.Kind.FULL) {
            Block.Result result = model.blocks().get(layer).forward(state, residual, kept, kind, taps);
            saved.add(new ForwardPass.SavedBlock(residual, kind, result.saved()));
            scratch.release(blockMark);
            return result.residPost();
        }
        // Only the residual stream outlives the block; the backward needs the block's input too.
        Tensor out = options.saveForBackward() ? kept.allocate(DType.F32, state.tokens(), config.dModel()) : residual;
        Block.Result result = model.blocks().get(layer).forward(state, residual, scratch, RecomputePlan.Kind.NONE, taps);
        out.copyFrom(result.residPost());
        scratch.release(blockMark);
        if (options.saveForBackward()) {
            saved.add(new ForwardPass.SavedBlock(residual, kind, null));
        }
        return out;
    }

    private void requireIds(TokenBatch batch) {
        for (int id : batch.inputIds()) {
            if (id < 0 || id >= config.vocabSize()) {
                throw new InputException("token id " + id + " is outside the model's vocabulary of " + config.vocabSize()
                    + "; the tokenizer and the model do not belong together");
            }
        }
        config.requirePositions("the number of positions that the batch needs is", batch.positions(), "use shorter sequences");
    }

    /**
     * Soft-capped logits [rows.length, vocab_size] F32 of some positions (row-major over the batch); all of them if {@code rows} is null.
     */
    public Tensor logits(ForwardPass pass, int @Nullable [] rows) {
        try (SingleUse.Use _ = enter()) {
            TensorArena memory = pass.state().kept();
            Tensor hidden = pass.finalNorm();
            if (rows != null) {
                Tensor gathered = memory.allocate(hidden.dtype(), rows.length, config.dModel());
                model.engine().ops().elementwise().gatherRows(gathered, hidden, memory.of(rows, rows.length));
                hidden = gathered;
            }
            Tensor logits = memory.allocate(DType.F32, hidden.dim(0), config.vocabSize());
            model.head(logits, hidden);
            return logits;
        }
    }

    /**
     * Propagates a gradient from the final norm's output down.
     *
     * @param pass of a forward that saved for the backward
     * @param dFinalNorm [batch * length, d_model] F32
     */
    public void backward(ForwardPass pass, Tensor dFinalNorm, GradientTargets targets) {
        try (SingleUse.Use _ = enter()) {
            PassState state = pass.state();
            if (pass.blocks().size() != config.nLayers()) {
                throw new IllegalStateException("the forward did not save what the backward needs");
            }
            scratch.reset();
            TensorListener listener = targets.listener();
            if (listener != null) {
                listener.accept(Site.FINAL_NORM, Site.NO_LAYER, dFinalNorm);
            }
            Tensor dResid = scratch.allocate(DType.F32, state.tokens(), config.dModel());
            model.engine().ops().block().rmsnormBackward(dResid, targets.parameters().get(ModelWeights.FINAL_NORM), dFinalNorm,
                pass.lastResidual(),
                model.weights().finalNorm(), pass.finalRstd(), config.family().normOffset(), false);
            int lowest = lowestLayer(targets);
            for (int layer = config.nLayers() - 1; layer >= lowest; layer--) {
                if (listener != null) {
                    listener.accept(Site.LAYER, layer, dResid);
                }
                blockBackward(state, layer, dResid, pass.blocks().get(layer), targets);
            }
            if (listener != null) {
                listener.accept(Site.EMBED, Site.NO_LAYER, dResid);
            }
            Tensor dEmbed = targets.parameters().get(ModelWeights.EMBED_TOKENS);
            if (dEmbed != null) {
                model.embedBackward(dEmbed, dResid, state.in().ids());
            }
        }
    }

    private void blockBackward(PassState state, int layer, Tensor dResid, ForwardPass.SavedBlock block, GradientTargets targets) {
        TensorArena.Mark mark = kept.mark();
        TensorArena.Mark blockMark = scratch.mark();
        Block.Saved saved = block.saved();
        if (saved == null) {
            saved = model.blocks().get(layer).forward(state, block.residPre(), kept, RecomputePlan.Kind.NONE, StreamTaps.NONE).saved();
            scratch.release(blockMark);
        } else if (block.kind() == RecomputePlan.Kind.SELECTIVE) {
            saved = model.blocks().get(layer).restored(state, block.residPre(), saved, kept);
        }
        model.blocks().get(layer).backward(state, dResid, saved, targets);
        kept.release(mark);
    }

    /** Takes the memory of a step before the first, so that what is too much shows at once; see {@link MemoryPlan}. */
    public void reserve(MemoryPlan plan) {
        try (SingleUse.Use _ = enter()) {
            kept.reserve(plan.keptBytes());
            scratch.reserve(plan.scratchBytes());
        }
    }

    /** Rises whenever the session's memory moves: recorded passes are then out of date. */
    public long memoryLayout() {
        return kept.layout() + scratch.layout();
    }

    /** Gives back what is taken of the session's memory between now and its call. */
    public Runnable memoryMark() {
        try (SingleUse.Use _ = enter()) {
            TensorArena.Mark keptMark = kept.mark();
            TensorArena.Mark scratchMark = scratch.mark();
            return () -> {
                kept.release(keptMark);
                scratch.release(scratchMark);
            };
        }
    }

    /** Nothing below the lowest layer with something to train needs a gradient. */
    private int lowestLayer(GradientTargets targets) {
        if (!targets.parameters().isEmpty() || targets.listener() != null) {
            return 0;
        }
        IntStream layers = targets.lora().keySet().stream().mapToInt(ModuleKey::layer);
        return layers.min().orElse(config.nLayers());
    }

    /**
     * Keeps other threads out until it is closed; this one may enter again.
     *
     * @throws IllegalStateException where another thread is in, or the session is closed
     */
    SingleUse.Use enter() {
        SingleUse.Use entered = use.enter();
        if (closed) {
            entered.close();
            throw new IllegalStateException("the session is closed");
        }
        return entered;
    }

    /**
     * Frees the passes' memory, and the model where that is closed and this was its last session; waits for a call of another thread. A
     * second call does nothing.
     *
     * @throws IllegalStateException from a listener of the session
     */
    @Override
    public void close() {
        try (SingleUse.Use _ = use.enterLast()) {
            if (!closed) {
                closed = true;
                kept.close();
                scratch.close();
                model.leave();
            }
        }
    }
}
