package io.sails4j.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.io.RefusedInput;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** config.json of Llama-3: the published shapes, both spellings, and each value that is refused. */
class Llama3ConfigReaderTest {
    private static final List<String> PUBLISHED = List.of("llama-3.1-8b", "llama-3.2-1b", "llama-3.2-3b");

    @TempDir
    private Path directory;

    private ModelConfig read(Consumer<ObjectNode> change) throws IOException {
        ObjectNode json = ModelConfig.llama31_8b().toJson();
        change.accept(json);
        Files.writeString(directory.resolve("config.json"), json.toString());
        return ModelConfig.read(directory);
    }

    private void refused(Consumer<ObjectNode> change, String... parts) {
        RefusedInput.input(() -> read(change), directory.resolve("config.json"), parts);
    }

    /** The parameter counts of the model cards' safetensors. */
    @Test
    void publishedShapes() {
        assertThat(Map.of("llama-3.1-8b", 8_030_261_248L, "llama-3.2-1b", 1_235_814_400L, "llama-3.2-3b", 3_212_749_824L))
            .allSatisfy((name, count) -> assertThat(ModelConfig.named(name).parameterCount()).isEqualTo(count));
    }

    @Test
    void whatIsWrittenIsRead() throws IOException {
        for (String name : PUBLISHED) {
            ModelConfig config = ModelConfig.named(name);
            assertThat(read(json -> json.setAll(config.toJson()))).isEqualTo(config);
        }
    }

    @Test
    void spellingOfTransformers5() throws IOException {
        ModelConfig other = read(json -> {
            json.remove(List.of("rope_theta", "rope_scaling", "torch_dtype"));
            json.put("dtype", "bfloat16").put("pretraining_tp", 1);
            json.putObject("rope_parameters").put("rope_theta", 500_000.0).put("rope_type", "llama3").put("factor", 8.0)
                .put("low_freq_factor", 1.0)
                .put("high_freq_factor", 4.0).put("original_max_position_embeddings", 8192);
        });
        assertThat(other).isEqualTo(ModelConfig.llama31_8b());
    }

    @Test
    void legalOddities() throws IOException {
        ModelConfig bare = read(
            json -> json.remove(List.of("head_dim", "num_key_value_heads", "rope_scaling", "rope_theta", "tie_word_embeddings",
                "max_position_embeddings")));
        assertThat(bare.headDim()).isEqualTo(128);
        assertThat(bare.nKvHeads()).isEqualTo(32);
        assertThat(bare.ropeScaling()).isEqualTo(new RopeScaling.None());
        assertThat(bare.ropeTheta()).isEqualTo(10_000);
        assertThat(bare.tiedHead()).isFalse();
        assertThat(bare.maxPositionEmbeddings()).isEqualTo(2048);
        assertThat(read(json -> json.put("eos_token_id", 128_001)).eosIds()).containsExactly(128_001);
        assertThat(read(json -> json.put("pad_token_id", 128_004)).fillerId()).isEqualTo(128_004);
        assertThat(read(json -> json.put("pad_token_id", -1)).fillerId()).isZero();
        assertThat(read(json -> json.putObject("rope_scaling").put("type", "default")).ropeScaling()).isEqualTo(new RopeScaling.None());
    }

    @Test
    void nullIsNoEndAndNoNumber() throws IOException {
        ModelConfig endless = read(json -> json.putNull("eos_token_id"));
        assertThat(endless.eosIds()).isEmpty();
        assertThat(read(json -> json.setAll(endless.toJson()))).isEqualTo(endless);
        assertThat(read(json -> json.remove("eos_token_id")).eosIds()).containsExactly(2);
        for (String key : List.of("rms_norm_eps", "max_position_embeddings", "rope_theta", "hidden_size")) {
            Assertions.assertThatThrownBy(() -> read(json -> json.putNull(key))).isInstanceOf(InputException.class)
                .hasMessageContaining("'" + key + "' is null, expected");
        }
    }

    @Test
    void otherModels() {
        refused(json -> json.put("model_type", "mistral"), "'mistral'", "'llama'");
        refused(json -> json.put("hidden_act", "gelu"), "hidden_act", "'gelu'", "'silu'");
        for (String key : List.of("attention_bias", "mlp_bias", "use_qk_norm")) {
            refused(json -> json.put(key, true), key, "true", "false");
        }
        for (String key : List.of("sliding_window", "embedding_multiplier", "final_logit_softcapping", "num_local_experts")) {
            refused(json -> json.put(key, 4), "'" + key + "' is 4");
        }
        refused(json -> json.put("partial_rotary_factor", 0.5), "partial_rotary_factor", "0.5");
        refused(json -> json.putArray("layer_types").add("sliding_attention"), "layer_types", "sliding_attention");
        refused(json -> json.putObject("quantization_config").put("bits", 4), "quantization_config");
    }

    @Test
    void scalings() {
        for (String type : List.of("linear", "dynamic", "yarn", "longrope")) {
            refused(json -> json.putObject("rope_scaling").put("rope_type", type).put("factor", 2.0), "rope_type", "'" + type + "'",
                "'llama3'");
            refused(json -> json.putObject("rope_parameters").put("rope_type", type), "rope_type", "'" + type + "'");
        }
        refused(json -> json.putObject("rope_scaling").put("type", "linear").put("factor", 2.0), "type", "'linear'");
        refused(json -> json.withObject("/rope_scaling").remove("factor"), "lacks", "factor");
        refused(json -> json.withObject("/rope_scaling").remove("original_max_position_embeddings"), "lacks",
            "original_max_position_embeddings");
        refused(json -> json.withObject("/rope_scaling").put("factor", 0.5), "'factor' is 0.5", "at least 1");
        refused(json -> json.withObject("/rope_scaling").put("high_freq_factor", 1.0), "high_freq_factor", "more than low_freq_factor");
        refused(json -> json.withObject("/rope_scaling").put("low_freq_factor", -1.0), "low_freq_factor", "positive");
    }

    @Test
    void bothSpellingsSayTheSame() {
        refused(json -> json.put("rope_theta", 500_000).putObject("rope_parameters").put("rope_type", "llama3").put("rope_theta", 10_000),
            "rope_parameters", "'rope_theta' is 10000", "expected 500000");
        refused(json -> json.putObject("rope_parameters").put("rope_type", "default"), "'rope_type' is 'default'", "expected 'llama3'");
    }

    @Test
    void numbers() {
        refused(json -> json.put("num_key_value_heads", 3), "num_attention_heads", "multiple");
        refused(json -> json.put("head_dim", 7), "head_dim", "even");
        refused(json -> json.put("hidden_size", 4097).remove("head_dim"), "hidden_size", "multiple");
        refused(json -> json.put("pad_token_id", -2), "pad_token_id");
        refused(json -> json.remove("vocab_size"), "lacks", "vocab_size");
        refused(json -> json.put("eos_token_id", 2.0), "'eos_token_id' is 2.0");
    }

    /** Llama-3.1: the shortest wave is kept, the longest is eight times as long, and nothing gets faster. */
    @Test
    void frequencies() {
        ModelConfig config = ModelConfig.llama31_8b();
        double[] plain = new RopeScaling.None().invFreq(config.ropeTheta(), config.headDim());
        double[] scaled = config.ropeScaling().invFreq(config.ropeTheta(), config.headDim());
        assertThat(scaled).hasSize(64);
        assertThat(scaled[0]).isEqualTo(1);
        assertThat(scaled[63]).isCloseTo(plain[63] / 8, within(1e-18));
        int between = 0;
        for (int j = 0; j < scaled.length; j++) {
            assertThat(scaled[j]).isBetween(plain[j] / 8, plain[j]);
            between += scaled[j] < plain[j] && scaled[j] > plain[j] / 8 ? 1 : 0;
        }
        assertThat(between).isPositive();
    }
}
