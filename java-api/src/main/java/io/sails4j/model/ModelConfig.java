package io.sails4j.model;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.io.InputException;
import io.sails4j.io.JsonFiles;
import io.sails4j.tensor.DType;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Map;

/**
 * The shape of a Gemma-2 model (arXiv:2408.00118), read from a Hugging Face {@code config.json}.
 *
 * @param attnLogitSoftcap 0 = none
 * @param finalLogitSoftcap 0 = none
 * @param sliding for each layer whether its attention slides
 * @param checkpointDtype the type that the checkpoint is stored in
 */
public record ModelConfig(
    long vocabSize, long dModel, int nLayers, int nHeads, int nKvHeads, int headDim, long dFf, int slidingWindow,
    double queryPreAttnScalar, double attnLogitSoftcap, double finalLogitSoftcap, double rmsNormEps, double ropeTheta,
    int maxPositionEmbeddings, List<Boolean> sliding, DType checkpointDtype, int bosId, List<Integer> eosIds, int padId) {

    public ModelConfig {
        sliding = List.copyOf(sliding);
        eosIds = List.copyOf(eosIds);
    }

    /** Reads {@code config.json} of a model directory, in the spelling of transformers 4 or 5. */
    public static ModelConfig read(Path directory) {
        return Gemma2ConfigReader.read(JsonFiles.readObject(directory.resolve("config.json")));
    }

    /** Reads a configuration file of any name. */
    public static ModelConfig readFile(Path file) {
        return Gemma2ConfigReader.read(JsonFiles.readObject(file));
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

    /** The published models by name: {@code 2b}, {@code 9b}, {@code 27b}. */
    public static ModelConfig named(String name) {
        return switch (name) {
            case "2b" -> gemma2_2b();
            case "9b" -> gemma2_9b();
            case "27b" -> gemma2_27b();
            default -> throw new InputException("there is no Gemma-2 '" + name + "', expected 2b, 9b or 27b");
        };
    }

    private static ModelConfig published(long dModel, int nLayers, int nHeads, int nKvHeads, int headDim, long dFf, double scalar) {
        return new ModelConfig(256_000, dModel, nLayers, nHeads, nKvHeads, headDim, dFf, 4096, scalar, 50, 30, 1e-6, 10_000, 8192,
            alternating(nLayers), DType.BF16, 2, List.of(1, 107), 0);
    }

    /** Layers 0, 2, 4, ... slide (google/gemma_pytorch gemma/config.py, attn_types). */
    public static List<Boolean> alternating(int nLayers) {
        List<Boolean> sliding = new ArrayList<>();
        for (int i = 0; i < nLayers; i++) {
            sliding.add(i % 2 == 0);
        }
        return sliding;
    }

    public long qWidth() {
        return (long) nHeads * headDim;
    }

    public long kvWidth() {
        return (long) nKvHeads * headDim;
    }

    public boolean isSliding(int layer) {
        return sliding.get(layer);
    }

    /** All parameters; the output matrix is the embedding and counts once. */
    public long parameterCount() {
        long block = 4 * dModel;
        for (Projection projection : Projection.values()) {
            block += projection.dIn(this) * projection.dOut(this);
        }
        return vocabSize * dModel + nLayers * block + dModel;
    }

    /** Trainable parameters of rank-r adapters on the targets in every layer. */
    public long loraParameterCount(Collection<Projection> targets, int r) {
        return nLayers * targets.stream().mapToLong(p -> r * (p.dIn(this) + p.dOut(this))).sum();
    }

    /** The configuration as transformers 4 writes it. */
    public ObjectNode toJson() {
        ObjectNode json = new ObjectMapper().createObjectNode();
        json.putArray("architectures").add("Gemma2ForCausalLM");
        json.put("attention_bias", false).put("attention_dropout", 0.0);
        putSoftcap(json, "attn_logit_softcapping", attnLogitSoftcap);
        json.put("bos_token_id", bosId);
        if (eosIds.size() == 1) {
            json.put("eos_token_id", eosIds.getFirst());
        } else {
            eosIds.forEach(json.putArray("eos_token_id")::add);
        }
        putSoftcap(json, "final_logit_softcapping", finalLogitSoftcap);
        json.put("head_dim", headDim).put("hidden_activation", "gelu_pytorch_tanh").put("hidden_size", dModel);
        json.put("intermediate_size", dFf);
        sliding.forEach(s -> json.withArray("/layer_types").add(s ? "sliding_attention" : "full_attention"));
        json.put("max_position_embeddings", maxPositionEmbeddings).put("model_type", "gemma2");
        json.put("num_attention_heads", nHeads).put("num_hidden_layers", nLayers).put("num_key_value_heads", nKvHeads);
        json.put("pad_token_id", padId).put("rms_norm_eps", rmsNormEps);
        // transformers wants an integer where it is one.
        if (queryPreAttnScalar == Math.rint(queryPreAttnScalar)) {
            json.put("query_pre_attn_scalar", (long) queryPreAttnScalar);
        } else {
            json.put("query_pre_attn_scalar", queryPreAttnScalar);
        }
        json.put("rope_theta", ropeTheta).put("sliding_window", slidingWindow).put("tie_word_embeddings", true);
        json.put("torch_dtype", Map.of(DType.F32, "float32", DType.BF16, "bfloat16", DType.F16, "float16").get(checkpointDtype));
        json.put("vocab_size", vocabSize);
        return json;
    }

    private static void putSoftcap(ObjectNode json, String key, double cap) {
        if (cap == 0) {
            json.putNull(key);
        } else {
            json.put(key, cap);
        }
    }
}
