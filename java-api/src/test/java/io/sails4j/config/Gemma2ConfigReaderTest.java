package io.sails4j.config;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.io.RefusedInput;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Consumer;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** config.json: the published shapes, both spellings, and each value that is refused. */
class Gemma2ConfigReaderTest {
    private static final Set<Projection> ATTENTION = EnumSet.of(Projection.Q_PROJ, Projection.K_PROJ, Projection.V_PROJ, Projection.O_PROJ);

    @TempDir
    private Path directory;

    private ModelConfig read(Consumer<ObjectNode> change) throws IOException {
        ObjectNode json = ModelConfig.gemma2_2b().toJson();
        change.accept(json);
        Files.writeString(directory.resolve("config.json"), json.toString());
        return ModelConfig.read(directory);
    }

    private void refused(Consumer<ObjectNode> change, String... parts) {
        RefusedInput.input(() -> read(change), directory.resolve("config.json"), parts);
    }

    /** Tables 1 and 2 of arXiv:2408.00118: 590M + 2024M, 918M + 8324M, 1180M + 26047M parameters. */
    @Test
    void publishedShapes() {
        assertThat(Map.of("2b", 2_614_341_888L, "9b", 9_241_705_984L, "27b", 27_227_128_320L))
            .allSatisfy((name, count) -> assertThat(ModelConfig.named(name).parameterCount()).isEqualTo(count));
    }

    /** The parameter shares that the SAILS paper reports: rank 16 on q, k, v, o of every layer. */
    @Test
    void trainableCounts() {
    }

    @Test
    void whatIsWrittenIsRead() throws IOException {
        for (String name : List.of("2b", "9b", "27b")) {
            ModelConfig config = ModelConfig.named(name);
            assertThat(read(json -> json.setAll(config.toJson()))).isEqualTo(config);
        }
    }

    @Test
    void spellingOfTransformers5() throws IOException {
        ModelConfig other = read(json -> {
            json.remove(List.of("rope_theta", "torch_dtype", "tie_word_embeddings"));
            json.put("dtype", "bfloat16").putNull("use_bidirectional_attention");
            json.putObject("rope_parameters").put("rope_theta", 10_000.0).put("rope_type", "default");
        });
        assertThat(other).isEqualTo(ModelConfig.gemma2_2b());
    }

    @Test
    void layerTypesAreDerivedOrRead() throws IOException {
        assertThat(read(json -> json.remove("layer_types")).sliding().subList(0, 3)).containsExactly(true, false, true);
        ObjectNode reversed = new ObjectMapper().createObjectNode();
        ModelConfig.gemma2_2b().sliding().forEach(s -> reversed.withArray("/layer_types").add(s ? "full_attention" : "sliding_attention"));
        assertThat(read(json -> json.setAll(reversed)).sliding().subList(0, 3)).containsExactly(false, true, false);
        refused(json -> json.putArray("layer_types").add("full_attention"), "layer_types", "26");
        refused(json -> json.put("num_hidden_layers", 1).putArray("layer_types").add("chunked"), "layer_types", "chunked",
            "sliding_attention");
    }

    @Test
    void legalOddities() throws IOException {
        assertThat(read(json -> json.put("head_dim", 32)).headDim()).as("head_dim other than hidden / heads").isEqualTo(32);
        assertThat(read(json -> json.putNull("attn_logit_softcapping")).attnLogitSoftcap()).isZero();
        assertThat(read(json -> json.putNull("final_logit_softcapping")).finalLogitSoftcap()).isZero();
        assertThat(read(json -> json.putArray("eos_token_id").add(1).add(107)).eosIds()).containsExactly(1, 107);
        assertThat(read(json -> json.remove("sliding_window")).slidingWindow()).isEqualTo(4096);
        assertThat(read(json -> json.putObject("rope_scaling").put("rope_type", "default"))).isEqualTo(ModelConfig.gemma2_2b());
    }

    @Test
    void otherModels() {
        refused(json -> json.put("model_type", "gemma"), "model_type", "'gemma'", "'gemma2'");
        refused(json -> json.put("model_type", "gemma3_text"), "'gemma3_text'", "'gemma2'");
        refused(json -> json.put("hidden_activation", "silu"), "hidden_activation", "'silu'", "'gelu_pytorch_tanh'");
        refused(json -> json.put("attention_bias", true), "attention_bias", "true", "false");
        refused(json -> json.put("use_bidirectional_attention", true), "use_bidirectional_attention");
        refused(json -> json.put("tie_word_embeddings", false), "tie_word_embeddings", "false", "true");
        refused(json -> json.putObject("rope_scaling").put("rope_type", "linear").put("factor", 2), "rope_scaling", "linear");
        refused(json -> json.putObject("rope_parameters").put("rope_type", "yarn"), "rope_type", "'yarn'", "'default'");
        refused(json -> json.putObject("quantization_config").put("bits", 4), "quantization_config");
        refused(json -> json.put("torch_dtype", "float64"), "torch_dtype", "'float64'");
    }

    @Test
    void windows() {
        refused(json -> json.put("sliding_window", 0), "'sliding_window' is 0", "positive");
        refused(json -> json.put("sliding_window", -1), "'sliding_window' is -1", "positive");
        refused(json -> json.put("sliding_window", 1.5), "'sliding_window' is 1.5", "integer");
    }

    @Test
    void numbers() {
        for (String key : List.of("vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
            "head_dim",
            "intermediate_size", "max_position_embeddings")) {
            refused(json -> json.put(key, 0), "'" + key + "' is 0", "positive");
            refused(json -> json.put(key, -3), "'" + key + "' is -3", "positive");
            refused(json -> json.put(key, 1L << 40), key, String.valueOf(1L << 40));
            refused(json -> json.put(key, "many"), key, "many", "integer");
        }
        for (String key : List.of("query_pre_attn_scalar", "rms_norm_eps", "rope_theta", "attn_logit_softcapping")) {
            refused(json -> json.put(key, 0), key, "positive");
            refused(json -> json.put(key, -1.0), key, "positive");
        }
        refused(json -> json.put("num_hidden_layers", Integer.MAX_VALUE).remove("layer_types"), "num_hidden_layers");
        refused(json -> json.put("num_key_value_heads", 3), "num_attention_heads", "multiple");
        refused(json -> json.put("head_dim", 7), "head_dim", "even");
        refused(json -> json.remove("hidden_size"), "lacks", "hidden_size");
        refused(json -> json.put("eos_token_id", -1), "eos_token_id");
    }

    @Test
    void noWindowAtAll() throws IOException {
        Files.writeString(directory.resolve("config.json"), ModelConfig.gemma2_2b().toJson().putNull("sliding_window").toString());
        Assertions.assertThatThrownBy(() -> ModelConfig.read(directory)).isInstanceOf(InputException.class)
            .hasMessageContaining("'sliding_window' is null, expected a positive integer");
    }

    @Test
    void projections() {
        assertThat(Projection.parse("down_proj")).isEqualTo(Projection.DOWN_PROJ);
        assertThat(Projection.Q_PROJ.modulePath(3)).isEqualTo("model.layers.3.self_attn.q_proj");
        RefusedInput.input(() -> Projection.parse("c_attn"), Path.of("c_attn"), "q_proj", "down_proj");
    }
}
