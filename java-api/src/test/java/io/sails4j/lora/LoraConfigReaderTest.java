package io.sails4j.lora;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.config.Projection;
import io.sails4j.io.RefusedInput;
import io.sails4j.tensor.DType;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Set;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.function.Consumer;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every field of PEFT's LoraConfig: honoured, without effect, refused by name, or unknown and said. */
class LoraConfigReaderTest {
    private static final ModelConfig MODEL = ModelConfig.gemma2().vocabSize(64).dModel(16).layers(3).heads(2, 1).headDim(6).dFf(20)
        .slidingWindow(4).queryPreAttnScalar(8).maxPositionEmbeddings(64).checkpointDtype(DType.F32).build();
    /** What PEFT 0.21 writes for {@code LoraConfig(r=2, target_modules=["q_proj", "down_proj"])}. */
    private static final String WRITTEN_BY_PEFT = """
        {"alora_invocation_tokens": null, "alpha_pattern": {}, "arrow_config": null, "auto_mapping": null,
         "base_model_name_or_path": "base",
         "bias": "none", "corda_config": null, "ensure_weight_tying": false, "eva_config": null,
          "exclude_modules": null, "fan_in_fan_out": false,
         "inference_mode": true, "init_lora_weights": true, "kasa_config": null, "layer_replication": null, "layers_pattern": null,
         "layers_to_transform": null, "loftq_config": {}, "lora_alpha": 8, "lora_bias": false, "lora_dropout": 0.0, "lora_ga_config": null,
         "megatron_config": null, "megatron_core": "megatron.core", "modules_to_save": null, "monteclora_config": null, "peft_type": "LORA",
         "peft_version": "0.21.0", "qalora_group_size": 16, "r": 2, "rank_pattern": {}, "revision": null,
          "target_modules": ["q_proj", "down_proj"],
         "target_parameters": null, "task_type": "CAUSAL_LM", "trainable_token_indices": null, "use_bdlora": null, "use_dora": false,
         "use_qalora": false, "use_rslora": false, "velora_config": null}""";

    @TempDir
    private Path directory;
    private ObjectNode json;

    @BeforeEach
    void reset() throws IOException {
        json = (ObjectNode) new ObjectMapper().readTree(WRITTEN_BY_PEFT);
    }

    private LoraConfigReader.Found read(Consumer<ObjectNode> change) throws IOException {
        reset();
        change.accept(json);
        return LoraConfigReader.read(Files.writeString(directory.resolve("adapter_config.json"), json.toString()), MODEL);
    }

    private SortedSet<ModuleKey> modules(Consumer<ObjectNode> change) throws IOException {
        return read(change).config().modules();
    }

    private void refused(Consumer<ObjectNode> change, String... parts) {
        RefusedInput.input(() -> read(change), directory.resolve("adapter_config.json"), parts);
    }

    @Test
    void nullIsNoValueOfWhatIsNeeded() throws IOException {
        for (String key : List.of("lora_alpha", "r", "peft_type")) {
            Assertions.assertThatThrownBy(() -> read(json -> json.putNull(key))).isInstanceOf(InputException.class)
                .hasMessageContaining("'" + key + "' is null, expected");
        }
        assertThat(read(json -> json.remove("lora_alpha")).config().alpha()).isEqualTo(8);
    }

    private static SortedSet<ModuleKey> in(Set<Integer> layers, Projection... projections) {
        SortedSet<ModuleKey> modules = new TreeSet<>();
        for (int layer : layers) {
            for (Projection projection : projections) {
                modules.add(new ModuleKey(layer, projection));
            }
        }
        return modules;
    }

    private static Consumer<ObjectNode> raw(String field, String value) {
        return json -> {
            try {
                json.set(field, new ObjectMapper().readTree(value));
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        };
    }

    @Test
    void whatPeftWritesIsReadWithoutANote() throws IOException {
        LoraConfigReader.Found found = read(json -> {});
        assertThat(found.notes()).isEmpty();
        assertThat(found.config().modules()).isEqualTo(in(Set.of(0, 1, 2), Projection.Q_PROJ, Projection.DOWN_PROJ));
        assertThat(found.config().scale(new ModuleKey(0, Projection.Q_PROJ))).isEqualTo(4f);
    }

    @Test
    void fieldsWithoutEffectHaveNone() throws IOException {
        LoraConfig plain = read(json -> {}).config();
        String[][] values = {{"task_type", "'SEQ_CLS'"}, {"auto_mapping", "{'a': 1}"}, {"peft_version", "'0.3'"}, {"revision", "'main'"},
            {"inference_mode", "false"}, {"lora_dropout", "0.5"}, {"megatron_core", "'other'"}, {"loftq_config", "{'loftq_bits': 4}"},
            {"eva_config", "{'rho': 2}"}, {"corda_config", "{'x': 1}"}, {"lora_ga_config", "{'scale': 'unit'}"}, {"qalora_group_size", "4"},
            {"velora_config", "{'num_groups': 8}"}, {"runtime_config", "{'ephemeral_gpu_offload': true}"}, {"ensure_weight_tying", "true"},
            {"bias", "'all'"}, {"init_lora_weights", "false"}, {"init_lora_weights", "'gaussian'"}, {"init_lora_weights", "'orthogonal'"},
            {"init_lora_weights", "'eva'"}, {"init_lora_weights", "'mica'"}};
        for (String[] value : values) {
            LoraConfigReader.Found found = read(raw(value[0], value[1].replace('\'', '"')));
            assertThat(found.config()).as(value[0]).isEqualTo(plain);
            assertThat(found.notes()).as(value[0]).isEmpty();
        }
    }

    @Test
    void fieldsThatChangeTheMathematicsAreRefusedByName() {
        String[][] values = {{"fan_in_fan_out", "true"}, {"lora_bias", "true"}, {"modules_to_save", "['lm_head']"},
            {"trainable_token_indices", "[3]"}, {"trainable_token_indices", "{'embed_tokens': [3]}"},
            {"target_parameters", "['mlp.experts']"},
            {"layer_replication", "[[0, 2], [1, 3]]"}, {"megatron_config", "{'a': 1}"}, {"alora_invocation_tokens", "[5]"},
            {"use_qalora", "true"}, {"use_bdlora", "{'nblocks': 2}"}, {"arrow_config", "{'top_k': 3}"},
            {"monteclora_config", "{'num_samples': 8}"},
            {"kasa_config", "{'beta': 0.1}"}, {"bias", "'some'"}, {"peft_type", "'ADALORA'"}, {"init_lora_weights", "'pissa'"},
            {"init_lora_weights", "'pissa_niter_4'"}, {"init_lora_weights", "'olora'"}, {"init_lora_weights", "'corda'"},
            {"init_lora_weights", "'loftq'"}, {"init_lora_weights", "'lora_ga'"}, {"init_lora_weights", "'novel'"}};
        for (String[] value : values) {
            refused(raw(value[0], value[1].replace('\'', '"')), "'" + value[0] + "' is ", "expected");
        }
        refused(raw("init_lora_weights", "\"pissa\""), "path_initial_model_for_weight_conversion");
    }

    @Test
    void unknownFieldsAreSaid() throws IOException {
        LoraConfigReader.Found found = read(json -> json.put("zeta", "x".repeat(500)).put("epsilon", 3));
        assertThat(found.notes()).hasSize(2).allMatch(note -> note.contains(directory.toString()) && note.length() < 400);
        assertThat(found.notes().get(0)).contains("'epsilon'", "3", "ignored");
        assertThat(found.notes().get(1)).contains("'zeta'");
        assertThat(read(json -> json.putObject("rank_pattern").put("k_proj", 3)).notes().getFirst()).contains("'k_proj'", "rank_pattern",
            "fits no module");
    }

    @Test
    void listsNamePathsOrTheirEnds() throws IOException {
        assertThat(modules(raw("target_modules", "[\"self_attn.k_proj\", \"model.layers.1.mlp.up_proj\"]")))
            .isEqualTo(union(in(Set.of(0, 1, 2), Projection.K_PROJ), in(Set.of(1), Projection.UP_PROJ)));
        refused(raw("target_modules", "[\"q_proj\", \"proj\"]"), "entry 2", "'proj'");
        refused(raw("target_modules", "[\"q_proj\", \"lm_head\"]"), "'lm_head'");
        refused(raw("target_modules", "[\"q_proj\", 3]"), "array of names");
    }

    private static SortedSet<ModuleKey> union(SortedSet<ModuleKey> a, SortedSet<ModuleKey> b) {
        SortedSet<ModuleKey> both = new TreeSet<>(a);
        both.addAll(b);
        return both;
    }

    @Test
    void stringsAreExpressionsForTheWholePath() throws IOException {
        assertThat(modules(json -> json.put("target_modules", "All-Linear"))).hasSize(21);
        assertThat(modules(json -> json.put("target_modules", ".*\\.(?P<layer>[12])\\..*(q|k)_proj")))
            .isEqualTo(in(Set.of(1, 2), Projection.Q_PROJ, Projection.K_PROJ));
        refused(json -> json.put("target_modules", "q_proj"), "nothing is left");
        refused(json -> json.put("target_modules", ".*q_proj").put("layers_to_transform", 1), "'layers_to_transform' is 1",
            "regular expression");
        refused(json -> json.put("target_modules", "(.*.*)*(.*.*)*(.*.*)*x"), "forever");
    }

    @Test
    void layersNarrowEndsOfPaths() throws IOException {
        assertThat(modules(json -> json.put("layers_to_transform", 2))).isEqualTo(in(Set.of(2), Projection.Q_PROJ, Projection.DOWN_PROJ));
        assertThat(modules(raw("layers_to_transform", "[]"))).as("as if absent").hasSize(6);
        assertThat(modules(raw("layers_to_transform", "[0, 2]").andThen(raw("layers_pattern", "[\"h\", \"layers\"]"))))
            .isEqualTo(in(Set.of(0, 2), Projection.Q_PROJ, Projection.DOWN_PROJ));
        assertThat(modules(raw("layers_to_transform", "[0]").andThen(raw("layers_pattern", "\"\"")))).hasSize(2);
        assertThat(modules(raw("layers_to_transform", "[0]").andThen(raw("layers_pattern", "\"model.layers\"")))).hasSize(2);
        assertThat(
            modules(raw("layers_to_transform", "[0]").andThen(raw("target_modules", "[\"q_proj\", \"model.layers.1.mlp.up_proj\"]"))))
            .as("a whole path stands for itself").isEqualTo(union(in(Set.of(0), Projection.Q_PROJ), in(Set.of(1), Projection.UP_PROJ)));
        refused(raw("layers_to_transform", "[0]").andThen(raw("layers_pattern", "\"h\"")), "target_modules", "nothing is left");
        refused(raw("layers_to_transform", "[3]"), "0 to 2");
        assertThat(read(raw("layers_pattern", "\"layers\"")).notes().getFirst()).contains("layers_pattern", "no effect");
    }

    @Test
    void excludedModulesAreLeftOut() throws IOException {
        SortedSet<ModuleKey> downInTwo = in(Set.of(0, 2), Projection.DOWN_PROJ);
        assertThat(modules(raw("exclude_modules", "[\"q_proj\", \"model.layers.1.mlp.down_proj\"]"))).isEqualTo(downInTwo);
        assertThat(modules(raw("exclude_modules", "\".*(q_proj|1.mlp.down_proj)\""))).isEqualTo(downInTwo);
        assertThat(modules(raw("exclude_modules", "\"\""))).hasSize(6);
        assertThat(modules(raw("exclude_modules", "[]"))).hasSize(6);
        refused(raw("exclude_modules", "[\"q_proj\", \"down_proj\"]"), "nothing is left");
        refused(raw("exclude_modules", "7"), "exclude_modules");
    }

    @Test
    void patternsAreTriedInTheirOrder() throws IOException {
        LoraConfig config = read(
            raw("rank_pattern", "{\"^model.layers.0.self_attn.q_proj\": 5, \"layers.[01].*.q_proj\": 4, \"mlp.down_proj\": 3}")
                .andThen(raw("alpha_pattern", "{\"q_proj\": -2.5, \"down_proj\": 0}")))
            .config();
        assertThat(config.rank(new ModuleKey(0, Projection.Q_PROJ))).isEqualTo(5);
        assertThat(config.rank(new ModuleKey(1, Projection.Q_PROJ))).isEqualTo(4);
        assertThat(config.rank(new ModuleKey(2, Projection.Q_PROJ))).isEqualTo(2);
        assertThat(config.rank(new ModuleKey(2, Projection.DOWN_PROJ))).isEqualTo(3);
        assertThat(config.scale(new ModuleKey(0, Projection.Q_PROJ))).isEqualTo(-0.5f);
        assertThat(config.scale(new ModuleKey(0, Projection.DOWN_PROJ))).isZero();
        Path huge = Files.writeString(directory.resolve("huge.json"),
            WRITTEN_BY_PEFT.replace("\"lora_alpha\": 8", "\"lora_alpha\": 1e999"));
        RefusedInput.input(() -> LoraConfigReader.read(huge, MODEL), huge, "lora_alpha", "finite");
    }
}
