package io.sails4j.config;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.files.JsonObject;
import java.util.ArrayList;
import java.util.List;

/** Reads Gemma-2's {@code config.json}; sources: huggingface/transformers configuration_gemma2.py, versions 4 and 5. */
final class Gemma2ConfigReader {
    private final JsonObject json;
    private final ConfigFields fields;

    private Gemma2ConfigReader(JsonObject json) {
        this.json = json;
        this.fields = new ConfigFields(json);
    }

    static ModelConfig read(JsonObject json) {
        return new Gemma2ConfigReader(json).read();
    }

    private ModelConfig read() {
        refuseUnsupported();
        ConfigFields.Heads heads = fields.heads(false);
        int nLayers = fields.positive("num_hidden_layers", ConfigFields.MAX_LAYERS);
        return ModelConfig.gemma2().vocabSize(fields.positive("vocab_size", ConfigFields.MAX_WIDTH))
            .dModel(fields.positive("hidden_size", ConfigFields.MAX_WIDTH)).layers(nLayers).heads(heads.query(), heads.keyValue())
            .headDim(fields.headDim(256)).dFf(fields.positive("intermediate_size", ConfigFields.MAX_WIDTH)).slidingWindow(slidingWindow())
            .queryPreAttnScalar(fields.positiveDouble("query_pre_attn_scalar", 256))
            .softcaps(softcap("attn_logit_softcapping", 50), softcap("final_logit_softcapping", 30))
            .rmsNormEps(fields.positiveDouble("rms_norm_eps", 1e-6)).rope(ropeTheta(), new RopeScaling.None())
            .maxPositionEmbeddings(fields.positive("max_position_embeddings", Integer.MAX_VALUE, 8192)).sliding(sliding(nLayers))
            .checkpointDtype(fields.dtype()).tokens(fields.id("bos_token_id", 2), fields.eosIds(1), fields.id("pad_token_id", 0)).build();
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
            fields.requireOff(key, "Gemma-2 as published has it not");
        }
        if (!json.optionalBoolean("tie_word_embeddings").orElse(true)) {
            throw json.wrong("tie_word_embeddings", false, "true: Gemma-2's output matrix is its embedding");
        }
        fields.requireUnquantised();
    }

    private double ropeTheta() {
        ConfigFields.RopeFields rope = fields.rope();
        if (rope.scaling() != null && !rope.type().equals("default")) {
            throw rope.scaling().wrong(rope.typeKey(), "'" + rope.type() + "'", "'default': Gemma-2 scales no frequencies");
        }
        return rope.theta();
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

    /** An absent key means the published value; null would mean no window, which Gemma-2 is not without. */
    private int slidingWindow() {
        if (!json.node().has("sliding_window")) {
            return 4096;
        }
        if (!json.has("sliding_window")) {
            throw json.wrong("sliding_window", "null", "a positive integer: every other layer of Gemma-2 slides");
        }
        return fields.positive("sliding_window", Integer.MAX_VALUE);
    }

    /** null turns the cap off; an absent key means the published value. */
    private double softcap(String key, double otherwise) {
        JsonNode value = json.node().get(key);
        if (value != null && value.isNull()) {
            return 0;
        }
        return fields.positiveDouble(key, otherwise);
    }
}
