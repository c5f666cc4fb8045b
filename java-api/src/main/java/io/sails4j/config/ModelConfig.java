package io.sails4j.config;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.files.JsonFiles;
import io.sails4j.files.JsonObject;
import io.sails4j.tensor.DType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The shape of a Gemma-2 (arXiv:2408.00118) or Llama-3 (arXiv:2407.21783) model, read from a Hugging Face {@code config.json}.
 *
 * @param family what else the families do differently
 * @param slidingWindow 0 = no layer slides
 * @param attnLogitSoftcap 0 = none
 * @param finalLogitSoftcap 0 = none
 * @param sliding for each layer whether its attention slides
 * @param tiedHead whether the output matrix is the embedding
 * @param checkpointDtype the type that the checkpoint is stored in
 * @param padId {@link #NO_ID} = none
 */
public record ModelConfig(
    ModelFamily family, long vocabSize, long dModel, int nLayers, int nHeads, int nKvHeads, int headDim, long dFf, int slidingWindow,
    double queryPreAttnScalar, double attnLogitSoftcap, double finalLogitSoftcap, double rmsNormEps, double ropeTheta,
    RopeScaling ropeScaling,
    int maxPositionEmbeddings, List<Boolean> sliding, boolean tiedHead, DType checkpointDtype, int bosId, List<Integer> eosIds, int padId) {
    /** What the {@code quant_method} of a checkpoint is whose weights are packed as {@code DType.isPacked} says. */
    public static final String QUANT_METHOD = "sails4j";
    /** A token that the model does not have. */
    public static final int NO_ID = -1;

    public ModelConfig {
        sliding = List.copyOf(sliding);
        eosIds = List.copyOf(eosIds);
    }

    /** A Gemma-2 model: what its sizes are is to be said, all else is as in the published ones, with plain RoPE. */
    public static Builder gemma2() {
        Builder b = new Builder(ModelFamily.GEMMA2);
        return b.slidingWindow(4096).softcaps(50, 30).rmsNormEps(1e-6).rope(10_000, new RopeScaling.None()).maxPositionEmbeddings(8192)
            .tiedHead(true)
            .checkpointDtype(DType.BF16).tokens(2, List.of(1), 0);
    }

    /** A Llama-3 model: what its sizes are is to be said, all else is as in the published ones, with RoPE that is not scaled. */
    public static Builder llama3() {
        Builder b = new Builder(ModelFamily.LLAMA);
        return b.rmsNormEps(1e-5).rope(500_000, new RopeScaling.None()).maxPositionEmbeddings(131_072).checkpointDtype(DType.BF16)
            .tokens(128_000, List.of(128_001, 128_008, 128_009), NO_ID);
    }

    /** This configuration, to be changed. */
    public Builder toBuilder() {
        return new Builder(family).vocabSize(vocabSize).dModel(dModel).layers(nLayers).heads(nHeads, nKvHeads).headDim(headDim).dFf(dFf)
            .slidingWindow(slidingWindow).queryPreAttnScalar(queryPreAttnScalar).softcaps(attnLogitSoftcap, finalLogitSoftcap)
            .rmsNormEps(rmsNormEps)
            .rope(ropeTheta, ropeScaling).maxPositionEmbeddings(maxPositionEmbeddings).sliding(sliding).tiedHead(tiedHead)
            .checkpointDtype(checkpointDtype).tokens(bosId, eosIds, padId);
    }

    /** Reads {@code config.json} of a model directory, in the spelling of transformers 4 or 5. */
    public static ModelConfig read(Path directory) {
        return readFile(directory.resolve("config.json"));
    }

    /** Reads a configuration file of any name. */
    public static ModelConfig readFile(Path file) {
        JsonObject json = JsonFiles.readObject(file);
        String type = json.requiredString("model_type");
        return switch (type) {
            case "gemma2" -> Gemma2ConfigReader.read(json);
            case "llama" -> Llama3ConfigReader.read(json);
            default -> throw json.wrong("model_type", "'" + type + "'", "'gemma2' or 'llama': sails4j runs Gemma-2 and Llama models");
        };
    }

    /** google/gemma-2-2b. */
    public static ModelConfig gemma2_2b() {
        return published(2304, 26, 8, 4, 256, 9216, 256);
    }

    /** google/gemma-2-9b. */
    public static ModelConfig gemma2_9b() {
        return published(3584, 42, 16, 8, 256, 14336, 256);
    }

    /** google/gemma-2-27b. */
    public static ModelConfig gemma2_27b() {
        return published(4608, 46, 32, 16, 128, 36864, 144);
    }

    /** meta-llama/Llama-3.1-8B. */
    public static ModelConfig llama31_8b() {
        return llama3(4096, 32, 32, 8, 128, 14336, 8, false);
    }

    /** meta-llama/Llama-3.2-1B. */
    public static ModelConfig llama32_1b() {
        return llama3(2048, 16, 32, 8, 64, 8192, 32, true);
    }

    /** meta-llama/Llama-3.2-3B. */
    public static ModelConfig llama32_3b() {
        return llama3(3072, 28, 24, 8, 128, 8192, 32, true);
    }

    /** The published models by name: {@code 2b}, {@code 9b}, {@code 27b} of Gemma-2 and Llama's with their version. */
    public static ModelConfig named(String name) {
        return switch (name) {
            case "2b" -> gemma2_2b();
            case "9b" -> gemma2_9b();
            case "27b" -> gemma2_27b();
            case "llama-3.1-8b" -> llama31_8b();
            case "llama-3.2-1b" -> llama32_1b();
            case "llama-3.2-3b" -> llama32_3b();
            default -> throw new InputException("there is no model '" + name
                + "', expected 2b, 9b or 27b (Gemma-2), llama-3.1-8b, llama-3.2-1b or llama-3.2-3b");
        };
    }

    private static ModelConfig published(long dModel, int nLayers, int nHeads, int nKvHeads, int headDim, long dFf, double scalar) {
        return gemma2().vocabSize(256_000).dModel(dModel).layers(nLayers).heads(nHeads, nKvHeads).headDim(headDim).dFf(dFf)
            .queryPreAttnScalar(scalar)
            .tokens(2, List.of(1, 107), 0).build();
    }

    private static ModelConfig llama3(long dModel, int nLayers, int nHeads, int nKvHeads, int headDim, long dFf, double factor,
        boolean tied) {
        return llama3().vocabSize(128_256).dModel(dModel).layers(nLayers).heads(nHeads, nKvHeads).headDim(headDim).dFf(dFf)
            .rope(500_000, new RopeScaling.Llama3(factor, 1, 4, 8192)).tiedHead(tied).build();
    }

    /** Layers 0, 2, 4, ... slide (google/gemma_pytorch gemma/config.py, attn_types). */
    public static List<Boolean> alternating(int nLayers) {
        List<Boolean> sliding = new ArrayList<>();
        for (int i = 0; i < nLayers; i++) {
            sliding.add(i % 2 == 0);
        }
        return sliding;
    }

    /** The same model with other control tokens: a tokenizer that was learnt for it has its own. */
    public ModelConfig withTokens(int bosId, List<Integer> eosIds, int padId) {
        return toBuilder().tokens(bosId, eosIds, padId).build();
    }

    /** The lowest layers of the same model, for measurements. */
    public ModelConfig withLayers(int layers) {
        return toBuilder().layers(layers).sliding(sliding.subList(0, layers)).build();
    }

    /** The same layers with another vocabulary, for measurements. */
    public ModelConfig withVocabulary(long size) {
        return toBuilder().vocabSize(size).build();
    }

    /** Width of all query heads together. */
    public long qWidth() {
        return (long) nHeads * headDim;
    }

    /** Width of all key heads together, and of all value heads. */
    public long kvWidth() {
        return (long) nKvHeads * headDim;
    }

    /** What stands where nothing attends to. */
    public int fillerId() {
        return padId == NO_ID ? 0 : padId;
    }

    /** Whether a layer, counted from 0, sees the last {@link #slidingWindow} positions alone. */
    public boolean isSliding(int layer) {
        return sliding.get(layer);
    }

    /**
     * An error where so many positions are more than the model has: beyond them RoPE turns by angles that it has never learnt.
     *
     * @param what begins the sentence, whose next word is the number
     * @param advice ends it
     * @throws InputException with both numbers
     */
    public void requirePositions(String what, long positions, String advice) {
        if (positions > maxPositionEmbeddings) {
            throw new InputException(
                what + " " + positions + ", more than the model's max_position_embeddings of " + maxPositionEmbeddings + "; " + advice);
        }
    }

    /** All parameters; an output matrix that is the embedding counts once. */
    public long parameterCount() {
        long block = (family.postNorms() ? 4 : 2) * dModel;
        for (Projection projection : Projection.values()) {
            block += projection.dIn(this) * projection.dOut(this);
        }
        return (tiedHead ? 1 : 2) * vocabSize * dModel + nLayers * block + dModel;
    }

    /** The configuration as transformers 4 writes it. */
    public ObjectNode toJson() {
        return ModelConfigJson.of(this);
    }

    /** A configuration in the making. Sizes have no default: vocabulary, width, layers, heads, head dimension and the MLP's width. */
    public static final class Builder {
        private final ModelFamily family;
        private long vocabSize;
        private long dModel;
        private int nLayers;
        private int nHeads;
        private int nKvHeads;
        private int headDim;
        private long dFf;
        private int slidingWindow;
        private double queryPreAttnScalar;
        private double attnLogitSoftcap;
        private double finalLogitSoftcap;
        private double rmsNormEps;
        private double ropeTheta;
        private RopeScaling ropeScaling = new RopeScaling.None();
        private int maxPositionEmbeddings;
        private @Nullable List<Boolean> sliding;
        private boolean tiedHead;
        private DType checkpointDtype = DType.BF16;
        private int bosId = NO_ID;
        private List<Integer> eosIds = List.of();
        private int padId = NO_ID;

        private Builder(ModelFamily family) {
            this.family = family;
        }

        /** Rows of the embedding. */
        public Builder vocabSize(long vocabSize) {
            this.vocabSize = vocabSize;
            return this;
        }

        /** Width of the residual stream. */
        public Builder dModel(long dModel) {
            this.dModel = dModel;
            return this;
        }

        /** Number of layers. */
        public Builder layers(int count) {
            this.nLayers = count;
            return this;
        }

        /** Query heads, and the key and value heads that they share. */
        public Builder heads(int query, int keyValue) {
            this.nHeads = query;
            this.nKvHeads = keyValue;
            return this;
        }

        /** Width of a head. */
        public Builder headDim(int headDim) {
            this.headDim = headDim;
            return this;
        }

        /** Width inside the feed-forward. */
        public Builder dFf(long dFf) {
            this.dFf = dFf;
            return this;
        }

        /** 0 = no layer slides. */
        public Builder slidingWindow(int slidingWindow) {
            this.slidingWindow = slidingWindow;
            return this;
        }

        /** Attention logits are divided by its root; without it the head dimension. */
        public Builder queryPreAttnScalar(double queryPreAttnScalar) {
            this.queryPreAttnScalar = queryPreAttnScalar;
            return this;
        }

        /** 0 = none. */
        public Builder softcaps(double attention, double head) {
            this.attnLogitSoftcap = attention;
            this.finalLogitSoftcap = head;
            return this;
        }

        /** What a norm adds to the mean square. */
        public Builder rmsNormEps(double rmsNormEps) {
            this.rmsNormEps = rmsNormEps;
            return this;
        }

        /** RoPE's base and the scaling of its frequencies. */
        public Builder rope(double theta, RopeScaling scaling) {
            this.ropeTheta = theta;
            this.ropeScaling = scaling;
            return this;
        }

        /** The longest context. */
        public Builder maxPositionEmbeddings(int maxPositionEmbeddings) {
            this.maxPositionEmbeddings = maxPositionEmbeddings;
            return this;
        }

        /**
         * For each layer whether its attention slides; without it every other of a Gemma-2 model's, beginning with the first, and none of
         * a Llama's.
         */
        public Builder sliding(List<Boolean> layers) {
            this.sliding = layers;
            return this;
        }

        /** Whether the head is the embedding. */
        public Builder tiedHead(boolean tiedHead) {
            this.tiedHead = tiedHead;
            return this;
        }

        /** The type that weights have in files. */
        public Builder checkpointDtype(DType checkpointDtype) {
            this.checkpointDtype = checkpointDtype;
            return this;
        }

        /** {@link #NO_ID} = none. */
        public Builder tokens(int bos, List<Integer> eos, int pad) {
            this.bosId = bos;
            this.eosIds = eos;
            this.padId = pad;
            return this;
        }

        /**
         * The configuration.
         *
         * @throws IllegalStateException where a size is missing
         */
        public ModelConfig build() {
            if (Math.min(Math.min(vocabSize, dModel), dFf) <= 0 || Math.min(Math.min(nLayers, nHeads), Math.min(nKvHeads, headDim)) <= 0) {
                throw new IllegalStateException(
                    "a size of the model is missing: vocabulary " + vocabSize + ", d_model " + dModel + ", layers " + nLayers
                        + ", heads " + nHeads + " and " + nKvHeads + ", head dimension " + headDim + ", d_ff " + dFf);
            }
            List<Boolean> slides = sliding != null ? sliding
                : family == ModelFamily.GEMMA2 ? alternating(nLayers) : Collections.nCopies(nLayers, false);
            return new ModelConfig(family, vocabSize, dModel, nLayers, nHeads, nKvHeads, headDim, dFf, slidingWindow,
                queryPreAttnScalar == 0 ? headDim : queryPreAttnScalar, attnLogitSoftcap, finalLogitSoftcap, rmsNormEps, ropeTheta,
                ropeScaling,
                maxPositionEmbeddings, slides, tiedHead, checkpointDtype, bosId, eosIds, padId);
        }
    }
}
