package io.sails4j.model;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.io.InputException;
import io.sails4j.ops.Engine;
import io.sails4j.ops.LinearMap;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** A causal language model on a device. One thread at a time. */
public final class CausalModel implements AutoCloseable {
    private final Engine engine;
    private final ModelWeights weights;
    private final ModelConfig config;
    private final float normalizer;
    private final List<Block> blocks = new ArrayList<>();
    private final Tensor invFreq;
    private final TensorArena kept;
    private final TensorArena scratch;

    /** Takes over the weights; closing the model closes them. */
    public CausalModel(Engine engine, ModelWeights weights, boolean exactNormalizer) {
        this.engine = engine;
        this.weights = weights;
        this.config = weights.config();
        this.normalizer = normalizer(config, exactNormalizer);
        for (int layer = 0; layer < config.nLayers(); layer++) {
            blocks.add(new Block(config, layer, weights.layer(layer)));
        }
        this.invFreq = engine.device().allocate(DType.F64, Shape.of(config.headDim() / 2));
        invFreq.upload(config.ropeScaling().invFreq(config.ropeTheta(), config.headDim()));
        this.kept = new TensorArena(engine.device());
        this.scratch = new TensorArena(engine.device());
    }

    /** Loads a Hugging Face model directory. */
    public static CausalModel load(Path directory, Engine engine, ModelOptions options) {
        ModelConfig config = ModelConfig.read(directory);
        ModelWeights weights = ModelWeights.load(directory, config, engine, options.resolve(config), options.writable());
        return new CausalModel(engine, weights, options.exactNormalizer());
    }

    /**
     * What embeddings are multiplied by: 1, or sqrt(d_model) rounded to the checkpoint's type as the published models do
     * (google/gemma_pytorch gemma/model.py, forward).
     */
    private static float normalizer(ModelConfig config, boolean exact) {
        if (!config.family().scalesEmbedding()) {
            return 1;
        }
        float root = (float) Math.sqrt(config.dModel());
        if (exact) {
            return root;
        }
        return switch (config.checkpointDtype()) {
            case BF16 -> {
                int bits = Float.floatToRawIntBits(root);
                yield Float.intBitsToFloat((bits + 0x7fff + (bits >>> 16 & 1)) & 0xffff0000);
            }
            case F16 -> Float.float16ToFloat(Float.floatToFloat16(root));
            default -> root;
        };
    }

    public Engine engine() {
        return engine;
    }

    public ModelConfig config() {
        return config;
    }

    public ModelWeights weights() {
        return weights;
    }

    public DType computeDtype() {
        return weights.computeDtype();
    }

    /** Runs the model over a batch. Close the result before the next forward, unless both are needed. */
    public ForwardPass forward(TokenBatch batch, AdapterStack adapters, ForwardOptions options) {
        return forward(batch, adapters, options, null);
    }

    /** Brings a batch to the device, for passes that can be recorded: they then copy nothing from the host. */
    public BatchTensors upload(TokenBatch batch) {
        requireIds(batch);
        scratch.reset();
        return new BatchTensors(batch, kept);
    }

    /** Runs the model over a batch that is on the device; close the result before the batch. */
    public ForwardPass forward(BatchTensors in, AdapterStack adapters, ForwardOptions options) {
        return forward(in, kept.mark(), adapters, options, null);
    }

    /** The forward of new tokens after those in the cache, which it extends. */
    ForwardPass forward(TokenBatch batch, AdapterStack adapters, ForwardOptions options, @Nullable KvCache cache) {
        BatchTensors in = upload(batch);
        return forward(in, in.mark(), adapters, options, cache);
    }

    private ForwardPass forward(BatchTensors in, TensorArena.Mark mark, AdapterStack adapters, ForwardOptions options, @Nullable KvCache cache) {
        TokenBatch batch = in.batch();
        scratch.reset();
        long n = batch.size();
        Tensor ropeTable = kept.allocate(DType.F32, n, config.headDim() / 2, 2);
        ropeTable(ropeTable, in.positions());
        Step step = new Step(engine, config, computeDtype(), kept, scratch, adapters, in, ropeTable, cache, options.frozenWeights());
        Tensor residual = kept.allocate(DType.F32, n, config.dModel());
        embed(residual, in.ids());
        if (options.listener() != null) {
            options.listener().accept("hidden.embed", residual);
        }
        if (cache != null) {
            cache.begin(batch);
        }
        List<ForwardPass.SavedBlock> saved = new ArrayList<>();
        int last = options.lastLayer() < 0 ? config.nLayers() - 1 : options.lastLayer();
        for (int layer = 0; layer <= last; layer++) {
            residual = runBlock(step, layer, residual, options, saved);
        }
        if (cache != null) {
            cache.commit(batch);
        }
        if (last < config.nLayers() - 1) {
            return new ForwardPass(step, mark, saved, residual, null, null);
        }
        Tensor finalNorm = kept.allocate(computeDtype(), n, config.dModel());
        Tensor rstd = kept.allocate(DType.F32, n);
        engine.ops().block().rmsnormForward(finalNorm, rstd, residual, weights.finalNorm(), null, (float) config.rmsNormEps(),
            config.family().normOffset());
        if (options.listener() != null) {
            options.listener().accept("hidden.final_norm", finalNorm);
        }
        return new ForwardPass(step, mark, saved, residual, finalNorm, rstd);
    }

    private Tensor runBlock(Step step, int layer, Tensor residual, ForwardOptions options, List<ForwardPass.SavedBlock> saved) {
        Recomputation.Kind kind = options.recompute().of(layer);
        TensorArena.Mark blockMark = scratch.mark();
        if (options.saveForBackward() && kind != Recomputation.Kind.FULL) {
            Block.Result result = blocks.get(layer).forward(step, residual, kept, kind, options.listener());
            saved.add(new ForwardPass.SavedBlock(residual, kind, result.saved()));
            scratch.release(blockMark);
            return result.residPost();
        }
        // Only the residual stream outlives the block; the backward needs the block's input too.
        Tensor out = options.saveForBackward() ? kept.allocate(DType.F32, step.tokens(), config.dModel()) : residual;
        Block.Result result = blocks.get(layer).forward(step, residual, scratch, Recomputation.Kind.NONE, options.listener());
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
    }

    /** Soft-capped logits [rows.length, vocab_size] F32 of some positions (row-major over the batch); all of them if {@code rows} is null. */
    public Tensor logits(ForwardPass pass, int @Nullable [] rows) {
        TensorArena memory = pass.step().kept();
        Tensor hidden = pass.finalNorm();
        if (rows != null) {
            Tensor gathered = memory.allocate(hidden.dtype(), rows.length, config.dModel());
            engine.ops().elementwise().gatherRows(gathered, hidden, memory.of(rows, rows.length));
            hidden = gathered;
        }
        Tensor logits = memory.allocate(DType.F32, hidden.dim(0), config.vocabSize());
        head(logits, hidden);
        return logits;
    }

    /** logits [n, vocab_size] F32, soft-capped, of the final norm's output [n, d_model]. */
    void head(Tensor logits, Tensor hidden) {
        engine.ops().linear().linearSetForward(List.of(logits), hidden, List.of(LinearMap.plain(weights.head())));
        if (config.finalLogitSoftcap() != 0) {
            engine.ops().head().softcapForward(logits, logits, (float) config.finalLogitSoftcap());
        }
    }

    /** residual [n, d_model] F32 of ids [n] I32. */
    void embed(Tensor residual, Tensor ids) {
        engine.ops().block().embeddingForward(residual, ids, weights.embedTokens(), normalizer);
    }

    /** [n, head_dim / 2, 2] F32 of positions [n] I32. */
    void ropeTable(Tensor table, Tensor positions) {
        engine.ops().block().ropeTable(table, positions, invFreq);
    }

    List<Block> blocks() {
        return blocks;
    }

    /**
     * Propagates a gradient from the final norm's output down.
     *
     * @param pass of a forward that saved for the backward
     * @param dFinalNorm [batch * length, d_model] F32
     */
    public void backward(ForwardPass pass, Tensor dFinalNorm, BackwardTargets targets) {
        Step step = pass.step();
        if (pass.blocks().size() != config.nLayers()) {
            throw new IllegalStateException("the forward did not save what the backward needs");
        }
        scratch.reset();
        TensorListener listener = targets.listener();
        if (listener != null) {
            listener.accept("hidden.final_norm", dFinalNorm);
        }
        Tensor dResid = scratch.allocate(DType.F32, step.tokens(), config.dModel());
        engine.ops().block().rmsnormBackward(dResid, targets.parameters().get(ModelWeights.FINAL_NORM), dFinalNorm, pass.lastResidual(),
            weights.finalNorm(), pass.finalRstd(), config.family().normOffset(), false);
        int lowest = lowestLayer(targets);
        for (int layer = config.nLayers() - 1; layer >= lowest; layer--) {
            if (listener != null) {
                listener.accept("hidden.layer." + layer, dResid);
            }
            blockBackward(step, layer, dResid, pass.blocks().get(layer), targets);
        }
        if (listener != null) {
            listener.accept("hidden.embed", dResid);
        }
        Tensor dEmbed = targets.parameters().get(ModelWeights.EMBED_TOKENS);
        if (dEmbed != null) {
            engine.ops().block().embeddingBackward(dEmbed, dResid, step.in().ids(), normalizer);
        }
    }

    private void blockBackward(Step step, int layer, Tensor dResid, ForwardPass.SavedBlock block, BackwardTargets targets) {
        TensorArena.Mark mark = kept.mark();
        TensorArena.Mark blockMark = scratch.mark();
        Block.Saved saved = block.saved();
        if (saved == null) {
            saved = blocks.get(layer).forward(step, block.residPre(), kept, Recomputation.Kind.NONE, null).saved();
            scratch.release(blockMark);
        } else if (block.kind() == Recomputation.Kind.SELECTIVE) {
            saved = blocks.get(layer).restored(step, block.residPre(), saved, kept);
        }
        blocks.get(layer).backward(step, dResid, saved, targets);
        kept.release(mark);
    }

    /** Takes the memory of a step before the first, so that what is too much shows at once; see {@link MemoryPlan}. */
    public void reserve(MemoryPlan plan) {
        kept.reserve(plan.keptBytes());
        scratch.reserve(plan.scratchBytes());
    }

    /** Rises whenever the model's memory moves: recorded passes are then out of date. */
    public long memoryLayout() {
        return kept.layout() + scratch.layout();
    }

    /** Gives back what is taken of the model's memory between now and its call. */
    public Runnable memoryMark() {
        TensorArena.Mark keptMark = kept.mark();
        TensorArena.Mark scratchMark = scratch.mark();
        return () -> {
            kept.release(keptMark);
            scratch.release(scratchMark);
        };
    }

    /** Nothing below the lowest layer with something to train needs a gradient. */
    private int lowestLayer(BackwardTargets targets) {
        if (!targets.parameters().isEmpty() || targets.listener() != null) {
            return 0;
        }
        IntStream layers = targets.lora().keySet().stream().mapToInt(ModuleKey::layer);
        return layers.min().orElse(config.nLayers());
    }

    @Override
    public void close() {
        invFreq.close();
        kept.close();
        scratch.close();
        weights.close();
    }
}
