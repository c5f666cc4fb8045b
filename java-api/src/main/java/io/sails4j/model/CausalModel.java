package io.sails4j.model;

import io.sails4j.config.ModelConfig;
import io.sails4j.ops.Engine;
import io.sails4j.ops.LinearMap;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * A causal language model on a device: its weights, which do not change unless somebody {@linkplain #claimWeights claims} them. Threads may
 * share it; what changes in using it belongs to a {@link ModelSession}.
 */
public final class CausalModel implements AutoCloseable {
    private final Engine engine;
    private final ModelWeights weights;
    private final ModelConfig config;
    private final float normalizer;
    private final List<Block> blocks = new ArrayList<>();
    private final Tensor invFreq;
    private final Object gate = new Object();
    private int sessions;
    private boolean claimed;
    private boolean closed;

    /** Takes over the weights; they are closed with the model. */
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
    }

    /** Loads a Hugging Face model directory. */
    public static CausalModel load(Path directory, Engine engine, ModelOptions options) {
        ModelConfig config = ModelConfig.read(directory);
        ModelWeights weights = ModelWeights.load(directory, config, engine, options);
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

    /** The engine on which the weights lie. */
    public Engine engine() {
        return engine;
    }

    /** The model's configuration. */
    public ModelConfig config() {
        return config;
    }

    /** The weights, not to be closed by others than the model. */
    public ModelWeights weights() {
        return weights;
    }

    /** The type of the big weights, F32 or BF16. */
    public DType computeDtype() {
        return weights.computeDtype();
    }

    /** What embeddings are multiplied by on their way into the residual stream; 1 where the family does not scale them. */
    public float embeddingScale() {
        return normalizer;
    }

    /** logits [n, vocab_size] F32, soft-capped, of the final norm's output [n, d_model]. */
    void head(Tensor logits, Tensor hidden) {
        Tensor head = weights.parameter(ModelWeights.headName(config));
        if (head.dtype().isPacked()) {
            engine.ops().quantized().quantizedLinearForward(logits, null, hidden, head, null, null, 0);
        } else {
            engine.ops().linear().linearSetForward(List.of(logits), hidden, List.of(LinearMap.plain(head)));
        }
        if (config.finalLogitSoftcap() != 0) {
            engine.ops().head().softcapForward(logits, logits, (float) config.finalLogitSoftcap());
        }
    }

    /**
     * losses [n] F32 of the final norm's output hidden [n, d_model]: -log softmax(logits)[target] in nats, 0 where the target, of targets
     * [n] I32, is {@link Labels#IGNORE_INDEX}. The logits never stand in memory whole.
     */
    public void tokenLosses(Tensor losses, Tensor hidden, Tensor targets) {
        engine.ops().head().headLoss(losses, null, null, hidden, weights.head(), targets, null, (float) config.finalLogitSoftcap());
    }

    /** residual [n, d_model] F32 of ids [n] I32. */
    void embed(Tensor residual, Tensor ids) {
        engine.ops().block().embeddingForward(residual, ids, weights.parameter(ModelWeights.EMBED_TOKENS), normalizer);
    }

    /** dEmbed [vocab_size, d_model] F32 += what the gradient dResid [n, d_model] F32 of the embedded ids [n] I32 says of the embedding. */
    void embedBackward(Tensor dEmbed, Tensor dResid, Tensor ids) {
        engine.ops().block().embeddingBackward(dEmbed, dResid, ids, normalizer);
    }

    /** [n, head_dim / 2, 2] F32 of positions [n] I32. */
    void ropeTable(Tensor table, Tensor positions) {
        engine.ops().block().ropeTable(table, positions, invFreq);
    }

    List<Block> blocks() {
        return blocks;
    }

    /**
     * Claims the weights for one who changes them in place. From then until the claim is closed at most one session is open: another would
     * compute with weights that change under it.
     *
     * @throws IllegalStateException where the weights were not loaded writable, are claimed already, or more than one session is open
     */
    public WeightsClaim claimWeights() {
        synchronized (gate) {
            requireOpen();
            if (!weights.writable()) {
                throw new IllegalStateException("the model's weights are shared and cannot be trained; load it with ModelOptions.writable");
            }
            if (claimed || sessions > 1) {
                throw new IllegalStateException(claimed ? "the model's weights are being trained already"
                    : "the model has " + sessions + " sessions open; its weights can be trained while at most one is");
            }
            claimed = true;
        }
        return new WeightsClaim(() -> {
            synchronized (gate) {
                claimed = false;
            }
        });
    }

    /** A session opens. */
    void enter() {
        synchronized (gate) {
            requireOpen();
            if (claimed && sessions > 0) {
                throw new IllegalStateException(
                    "the model's weights are being trained, so that one session at a time may use it; close the other first");
            }
            sessions++;
        }
    }

    /** A session has closed. */
    void leave() {
        synchronized (gate) {
            sessions--;
            freeIfUnused();
        }
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the model is closed");
        }
    }

    private void freeIfUnused() {
        if (closed && sessions == 0) {
            invFreq.close();
            weights.close();
        }
    }

    /** No session can be opened any more, and with the last one that is open the weights are freed. A second call does nothing. */
    @Override
    public void close() {
        synchronized (gate) {
            if (!closed) {
                closed = true;
                freeIfUnused();
            }
        }
    }
}
