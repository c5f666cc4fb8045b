package io.sails4j.config;

import io.sails4j.files.JsonObject;
import java.util.List;

/** Reads Llama's {@code config.json}; sources: huggingface/transformers configuration_llama.py, versions 4 and 5. */
final class Llama3ConfigReader {
    /** Keys of relatives of Llama that share its model_type or were copied into a config.json; each changes what is computed. */
    private static final List<String> OTHER_MATHEMATICS = List.of("sliding_window", "attn_logit_softcapping", "final_logit_softcapping",
        "query_pre_attn_scalar", "embedding_multiplier", "attention_multiplier", "residual_multiplier", "logits_scaling",
        "num_local_experts",
        "no_rope_layers", "attention_chunk_size", "clip_qkv");
    private static final List<String> OTHER_SWITCHES = List.of("attention_bias", "mlp_bias", "qkv_bias", "use_qk_norm", "qk_norm",
        "qk_layernorm",
        "use_bidirectional_attention");

    private final JsonObject json;
    private final ConfigFields fields;

    private Llama3ConfigReader(JsonObject json) {
        this.json = json;
        this.fields = new ConfigFields(json);
    }

    static ModelConfig read(JsonObject json) {
        return new Llama3ConfigReader(json).read();
    }

    private ModelConfig read() {
        refuseUnsupported();
        ConfigFields.Heads heads = fields.heads(true);
        int dModel = fields.positive("hidden_size", ConfigFields.MAX_WIDTH);
        if (!json.has("head_dim") && dModel % heads.query() != 0) {
            throw json.wrong("hidden_size", dModel, "a multiple of num_attention_heads = " + heads.query() + ", or a head_dim");
        }
        int headDim = fields.headDim(dModel / heads.query());
        int nLayers = fields.positive("num_hidden_layers", ConfigFields.MAX_LAYERS);
        ConfigFields.RopeFields rope = fields.rope();
        return ModelConfig.llama3().vocabSize(fields.positive("vocab_size", ConfigFields.MAX_WIDTH)).dModel(dModel).layers(nLayers)
            .heads(heads.query(), heads.keyValue()).headDim(headDim).dFf(fields.positive("intermediate_size", ConfigFields.MAX_WIDTH))
            .rmsNormEps(fields.positiveDouble("rms_norm_eps", 1e-6)).rope(rope.theta(), scaling(rope))
            .maxPositionEmbeddings(fields.positive("max_position_embeddings", Integer.MAX_VALUE, 2048))
            .tiedHead(json.optionalBoolean("tie_word_embeddings").orElse(false)).checkpointDtype(fields.dtype())
            .tokens(fields.id("bos_token_id", 1), fields.eosIds(2), padId()).build();
    }

    private void refuseUnsupported() {
        String activation = json.optionalString("hidden_act").orElse("silu");
        if (!activation.equals("silu")) {
            throw json.wrong("hidden_act", "'" + activation + "'", "'silu'");
        }
        for (String key : OTHER_MATHEMATICS) {
            if (json.has(key)) {
                throw json.wrong(key, json.node().get(key), "nothing there: Llama has no such thing");
            }
        }
        for (String key : OTHER_SWITCHES) {
            fields.requireOff(key, "Llama as published has it not");
        }
        if (json.optionalDouble("partial_rotary_factor").orElse(1.0) != 1) {
            throw json.wrong("partial_rotary_factor", json.node().get("partial_rotary_factor"), "1: RoPE turns whole heads");
        }
        json.optionalArray("layer_types").ifPresent(types -> types.forEach(type -> {
            if (!type.asText().equals("full_attention")) {
                throw json.wrong("layer_types", "an array with " + type, "'full_attention' only");
            }
        }));
        fields.requireUnquantised();
    }

    private static RopeScaling scaling(ConfigFields.RopeFields rope) {
        JsonObject scaling = rope.scaling();
        if (scaling == null || rope.type().equals("default")) {
            return new RopeScaling.None();
        }
        if (!rope.type().equals("llama3")) {
            throw scaling.wrong(rope.typeKey(), "'" + rope.type() + "'", "'llama3' or 'default'");
        }
        ConfigFields numbers = new ConfigFields(scaling);
        double factor = numbers.requiredPositiveDouble("factor");
        double low = numbers.requiredPositiveDouble("low_freq_factor");
        double high = numbers.requiredPositiveDouble("high_freq_factor");
        if (factor < 1) {
            throw scaling.wrong("factor", factor, "at least 1");
        }
        if (high <= low) {
            throw scaling.wrong("high_freq_factor", high, "more than low_freq_factor = " + low);
        }
        return new RopeScaling.Llama3(factor, low, high, numbers.requiredPositiveDouble("original_max_position_embeddings"));
    }

    /** null and -1, which the first Llama wrote, mean none. */
    private int padId() {
        return json.optionalLong("pad_token_id").orElse(-1L) == -1 ? ModelConfig.NO_ID : fields.id("pad_token_id", 0);
    }
}
