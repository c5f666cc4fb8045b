package io.sails4j.model;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.io.JsonObject;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** Reads {@code config.json}; sources: huggingface/transformers configuration_gemma2.py, versions 4 and 5. */
final class Gemma2ConfigReader {
    /** Bounds on counts, far beyond any model, that keep a damaged number from asking for all memory or overflowing a size. */
    private static final int MAX_LAYERS = 10_000;
    private static final int MAX_HEADS = 1 << 16;
    private static final int MAX_WIDTH = 1 << 28;
    private static final Map<String, DType> TYPES = Map.of("float32", DType.F32, "bfloat16", DType.BF16, "float16", DType.F16);

    private final JsonObject json;

    private Gemma2ConfigReader(JsonObject json) {
        this.json = json;
    }

    static ModelConfig read(JsonObject json) {
        return new Gemma2ConfigReader(json).read();
    }

    private ModelConfig read() {
        requireGemma2();
        refuseUnsupported();
        int nLayers = positive("num_hidden_layers", MAX_LAYERS);
        int nHeads = positive("num_attention_heads", MAX_HEADS);
        int nKvHeads = positive("num_key_value_heads", MAX_HEADS);
        if (nHeads % nKvHeads != 0) {
            throw json.wrong("num_attention_heads", nHeads, "a multiple of num_key_value_heads = " + nKvHeads);
        }
        int headDim = json.has("head_dim") ? positive("head_dim", MAX_HEADS) : 256;
        if (headDim % 2 != 0) {
            throw json.wrong("head_dim", headDim, "an even number (RoPE turns pairs)");
        }
        return new ModelConfig(positive("vocab_size", MAX_WIDTH), positive("hidden_size", MAX_WIDTH), nLayers, nHeads, nKvHeads, headDim,
            positive("intermediate_size", MAX_WIDTH), slidingWindow(), positiveDouble("query_pre_attn_scalar", 256),
            softcap("attn_logit_softcapping", 50), softcap("final_logit_softcapping", 30), positiveDouble("rms_norm_eps", 1e-6),
            ropeTheta(), json.has("max_position_embeddings") ? positive("max_position_embeddings", Integer.MAX_VALUE) : 8192, sliding(nLayers), dtype(),
            id("bos_token_id", 2), eosIds(), id("pad_token_id", 0));
    }

    private void requireGemma2() {
        String type = json.requiredString("model_type");
        if (!type.equals("gemma2")) {
            throw json.wrong("model_type", "'" + type + "'", "'gemma2': sails4j runs Gemma-2 models");
        }
    }

    private void refuseUnsupported() {
        for (String key : List.of("hidden_activation", "hidden_act")) {
            String activation = json.optionalString(key).orElse("gelu_pytorch_tanh");
            // transformers 4 wrote hidden_act beside hidden_activation, which wins.
            if (!activation.equals("gelu_pytorch_tanh") && (key.equals("hidden_activation") || !json.has("hidden_activation"))) {
                throw json.wrong(key, "'" + activation + "'", "'gelu_pytorch_tanh'");
            }
        }
        for (String key : List.of("attention_bias", "use_bidirectional_attention")) {
            if (json.optionalBoolean(key).orElse(false)) {
                throw json.wrong(key, true, "false: Gemma-2 as published has it not");
            }
        }
        if (!json.optionalBoolean("tie_word_embeddings").orElse(true)) {
            throw json.wrong("tie_word_embeddings", false, "true: Gemma-2's output matrix is its embedding");
        }
        JsonObject scaling = json.optionalObject("rope_scaling").orElse(null);
        if (scaling != null && !scaling.optionalString(scaling.has("type") ? "type" : "rope_type").orElse("").equals("default")) {
            throw json.wrong("rope_scaling", scaling.node(), "the type 'default' or no scaling");
        }
        if (json.has("quantization_config")) {
            throw json.wrong("quantization_config", "set", "an unquantised checkpoint (f32, bf16 or f16)");
        }
    }

    private double ropeTheta() {
        JsonObject parameters = json.optionalObject("rope_parameters").orElse(null);
        if (parameters == null) {
            return positiveDouble("rope_theta", 10_000);
        }
        String type = parameters.optionalString("rope_type").orElse("default");
        if (!type.equals("default")) {
            throw parameters.wrong("rope_type", "'" + type + "'", "'default'");
        }
        double theta = parameters.optionalDouble("rope_theta").orElse(10_000.0);
        if (!(theta > 0)) {
            throw parameters.wrong("rope_theta", theta, "a positive number");
        }
        return theta;
    }

    private List<Boolean> sliding(int nLayers) {
        JsonNode types = json.optionalArray("layer_types").orElse(null);
        if (types == null) {
            return ModelConfig.alternating(nLayers);
        }
        if (types.size() != nLayers) {
            throw json.wrong("layer_types", types.size() + " entries long", "num_hidden_layers = " + nLayers + " entries");
        }
        List<Boolean> sliding = new ArrayList<>();
        for (JsonNode type : types) {
            switch (type.asText()) {
                case "sliding_attention" -> sliding.add(true);
                case "full_attention" -> sliding.add(false);
                default -> throw json.wrong("layer_types", "an array with " + type, "'sliding_attention' and 'full_attention'");
            }
        }
        return sliding;
    }

    private DType dtype() {
        String key = json.has("dtype") ? "dtype" : "torch_dtype";
        String name = json.optionalString(key).orElse("float32");
        DType dtype = TYPES.get(name);
        if (dtype == null) {
            throw json.wrong(key, "'" + name + "'", "float32, bfloat16 or float16");
        }
        return dtype;
    }

    private List<Integer> eosIds() {
        JsonNode value = json.node().get("eos_token_id");
        if (value == null || value.isNull()) {
            return List.of(1);
        }
        List<Integer> ids = new ArrayList<>();
        for (JsonNode id : value.isArray() ? value : List.of(value)) {
            if (!id.canConvertToInt() || id.intValue() < 0) {
                throw json.wrong("eos_token_id", value, "a token id or an array of them");
            }
            ids.add(id.intValue());
        }
        return ids;
    }

    private int id(String key, int otherwise) {
        long id = json.optionalLong(key).orElse((long) otherwise);
        if (id < 0 || id > Integer.MAX_VALUE) {
            throw json.wrong(key, id, "a token id");
        }
        return (int) id;
    }

    private int positive(String key, int most) {
        long value = json.requiredLong(key);
        if (value <= 0 || value > most) {
            throw json.wrong(key, value, "a positive integer of at most " + most);
        }
        return (int) value;
    }

    /** An absent key means the published value; null would mean no window, which Gemma-2 is not without. */
    private int slidingWindow() {
        if (!json.node().has("sliding_window")) {
            return 4096;
        }
        if (!json.has("sliding_window")) {
            throw json.wrong("sliding_window", "null", "a positive integer: every other layer of Gemma-2 slides");
        }
        return positive("sliding_window", Integer.MAX_VALUE);
    }

    private double positiveDouble(String key, double otherwise) {
        double value = json.optionalDouble(key).orElse(otherwise);
        if (!(value > 0) || Double.isInfinite(value)) {
            throw json.wrong(key, value, "a positive number");
        }
        return value;
    }

    /** null turns the cap off; an absent key means the published value. */
    private double softcap(String key, double otherwise) {
        JsonNode value = json.node().get(key);
        if (value != null && value.isNull()) {
            return 0;
        }
        return positiveDouble(key, otherwise);
    }
}
