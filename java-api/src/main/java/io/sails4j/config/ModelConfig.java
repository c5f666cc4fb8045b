package io.sails4j.config;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.io.InputException;
import io.sails4j.io.JsonFiles;
import io.sails4j.io.JsonObject;
import io.sails4j.tensor.DType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.Collections;
import java.util.List;

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
    double queryPreAttnScalar, double attnLogitSoftcap, double finalLogitSoftcap, double rmsNormEps, double ropeTheta, RopeScaling ropeScaling,
    int maxPositionEmbeddings, List<Boolean> sliding, boolean tiedHead, DType checkpointDtype, int bosId, List<Integer> eosIds, int padId) {
    /** A token that the model does not have. */
    public static final int NO_ID = -1;

    public ModelConfig {
        sliding = List.copyOf(sliding);
        eosIds = List.copyOf(eosIds);
    }

    /** A Gemma-2 model: plain RoPE, tied. */
    public static ModelConfig gemma2(long vocabSize, long dModel, int nLayers, int nHeads, int nKvHeads, int headDim, long dFf, int slidingWindow,
                                     double queryPreAttnScalar, double attnLogitSoftcap, double finalLogitSoftcap, double rmsNormEps,
                                     double ropeTheta, int maxPositionEmbeddings, List<Boolean> sliding, DType checkpointDtype, int bosId,
                                     List<Integer> eosIds, int padId) {
        return new ModelConfig(ModelFamily.GEMMA2, vocabSize, dModel, nLayers, nHeads, nKvHeads, headDim, dFf, slidingWindow, queryPreAttnScalar,
            attnLogitSoftcap, finalLogitSoftcap, rmsNormEps, ropeTheta, new RopeScaling.None(), maxPositionEmbeddings, sliding, true,
            checkpointDtype, bosId, eosIds, padId);
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

    public static ModelConfig gemma2_2b() {
        return published(2304, 26, 8, 4, 256, 9216, 256);
    }

    public static ModelConfig gemma2_9b() {
        return published(3584, 42, 16, 8, 256, 14336, 256);
    }

    public static ModelConfig gemma2_27b() {
        return published(4608, 46, 32, 16, 128, 36864, 144);
    }

    public static ModelConfig llama31_8b() {
        return llama3(4096, 32, 32, 8, 128, 14336, 8, false);
    }

    public static ModelConfig llama32_1b() {
        return llama3(2048, 16, 32, 8, 64, 8192, 32, true);
    }

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
        return gemma2(256_000, dModel, nLayers, nHeads, nKvHeads, headDim, dFf, 4096, scalar, 50, 30, 1e-6, 10_000, 8192,
            alternating(nLayers), DType.BF16, 2, List.of(1, 107), 0);
    }

    private static ModelConfig llama3(long dModel, int nLayers, int nHeads, int nKvHeads, int headDim, long dFf, double factor, boolean tied) {
        return new ModelConfig(ModelFamily.LLAMA, 128_256, dModel, nLayers, nHeads, nKvHeads, headDim, dFf, 0, headDim, 0, 0, 1e-5, 500_000,
            new RopeScaling.Llama3(factor, 1, 4, 8192), 131_072, Collections.nCopies(nLayers, false), tied, DType.BF16, 128_000,
            List.of(128_001, 128_008, 128_009), NO_ID);
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
        return new ModelConfig(family, vocabSize, dModel, nLayers, nHeads, nKvHeads, headDim, dFf, slidingWindow, queryPreAttnScalar, attnLogitSoftcap,
            finalLogitSoftcap, rmsNormEps, ropeTheta, ropeScaling, maxPositionEmbeddings, sliding, tiedHead, checkpointDtype, bosId, eosIds, padId);
    }

    /** The lowest layers of the same model, for measurements. */
    public ModelConfig withLayers(int layers) {
        return new ModelConfig(family, vocabSize, dModel, layers, nHeads, nKvHeads, headDim, dFf, slidingWindow, queryPreAttnScalar, attnLogitSoftcap,
            finalLogitSoftcap, rmsNormEps, ropeTheta, ropeScaling, maxPositionEmbeddings, sliding.subList(0, layers), tiedHead, checkpointDtype, bosId,
            eosIds, padId);
    }

    /** The same layers with another vocabulary, for measurements. */
    public ModelConfig withVocabulary(long size) {
        return new ModelConfig(family, size, dModel, nLayers, nHeads, nKvHeads, headDim, dFf, slidingWindow, queryPreAttnScalar, attnLogitSoftcap,
            finalLogitSoftcap, rmsNormEps, ropeTheta, ropeScaling, maxPositionEmbeddings, sliding, tiedHead, checkpointDtype, bosId, eosIds, padId);
    }

    public long qWidth() {
        return (long) nHeads * headDim;
    }

    public long kvWidth() {
        return (long) nKvHeads * headDim;
    }

    /** What stands where nothing attends to. */
    public int fillerId() {
        return padId == NO_ID ? 0 : padId;
    }

    public boolean isSliding(int layer) {
        return sliding.get(layer);
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
}
