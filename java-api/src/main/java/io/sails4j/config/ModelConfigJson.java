package io.sails4j.config;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.tensor.DType;
import java.util.Map;

/** Writes {@code config.json} as transformers 4 does; the readers read it back to the same configuration. */
final class ModelConfigJson {
    private ModelConfigJson() {
    }

    static ObjectNode of(ModelConfig config) {
        ObjectNode json = new ObjectMapper().createObjectNode();
        switch (config.family()) {
            case GEMMA2 -> {
                json.putArray("architectures").add("Gemma2ForCausalLM");
                putGemma2(json, config);
            }
            case LLAMA -> {
                json.putArray("architectures").add("LlamaForCausalLM");
                putLlama(json, config);
            }
        }
        json.put("attention_bias", false).put("attention_dropout", 0.0).put("bos_token_id", config.bosId());
        if (config.eosIds().isEmpty()) {
            json.putNull("eos_token_id");
        } else if (config.eosIds().size() == 1) {
            json.put("eos_token_id", config.eosIds().getFirst());
        } else {
            config.eosIds().forEach(json.putArray("eos_token_id")::add);
        }
        json.put("head_dim", config.headDim()).put("hidden_size", config.dModel()).put("intermediate_size", config.dFf());
        json.put("max_position_embeddings", config.maxPositionEmbeddings()).put("model_type", config.family().modelType());
        json.put("num_attention_heads", config.nHeads()).put("num_hidden_layers", config.nLayers()).put("num_key_value_heads",
            config.nKvHeads());
        if (config.padId() == ModelConfig.NO_ID) {
            json.putNull("pad_token_id");
        } else {
            json.put("pad_token_id", config.padId());
        }
        json.put("rms_norm_eps", config.rmsNormEps()).put("rope_theta", config.ropeTheta()).put("tie_word_embeddings", config.tiedHead());
        json.put("torch_dtype", Map.of(DType.F32, "float32", DType.BF16, "bfloat16", DType.F16, "float16").get(config.checkpointDtype()));
        json.put("vocab_size", config.vocabSize());
        return json;
    }

    private static void putGemma2(ObjectNode json, ModelConfig config) {
        putSoftcap(json, "attn_logit_softcapping", config.attnLogitSoftcap());
        putSoftcap(json, "final_logit_softcapping", config.finalLogitSoftcap());
        json.put("hidden_activation", "gelu_pytorch_tanh");
        config.sliding().forEach(s -> json.withArray("/layer_types").add(s ? "sliding_attention" : "full_attention"));
        putNumber(json, "query_pre_attn_scalar", config.queryPreAttnScalar());
        json.put("sliding_window", config.slidingWindow());
    }

    private static void putLlama(ObjectNode json, ModelConfig config) {
        json.put("hidden_act", "silu").put("mlp_bias", false);
        switch (config.ropeScaling()) {
            case RopeScaling.None none -> json.putNull("rope_scaling");
            case RopeScaling.Llama3 llama3 -> {
                ObjectNode scaling = json.putObject("rope_scaling").put("factor", llama3.factor()).put("high_freq_factor",
                    llama3.highFreqFactor());
                scaling.put("low_freq_factor", llama3.lowFreqFactor()).put("rope_type", "llama3");
                putNumber(scaling, "original_max_position_embeddings", llama3.originalMaxPositionEmbeddings());
            }
        }
    }

    /** transformers wants an integer where it is one. */
    private static void putNumber(ObjectNode json, String key, double value) {
        if (value == Math.rint(value)) {
            json.put(key, (long) value);
        } else {
            json.put(key, value);
        }
    }

    private static void putSoftcap(ObjectNode json, String key, double cap) {
        if (cap == 0) {
            json.putNull(key);
        } else {
            json.put(key, cap);
        }
    }
}
