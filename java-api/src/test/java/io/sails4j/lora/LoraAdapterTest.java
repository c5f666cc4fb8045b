package io.sails4j.lora;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.config.Projection;
import io.sails4j.io.RefusedInput;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.TrainedShape;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.testing.Backends;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeSet;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** PEFT directories: written and read again, every setting that changes the meaning honoured or refused. */
class LoraAdapterTest {
    private static final ModelConfig MODEL = ModelConfig.gemma2().vocabSize(64).dModel(16).layers(3).heads(2, 1).headDim(6).dFf(20)
        .slidingWindow(4).queryPreAttnScalar(8).maxPositionEmbeddings(64).checkpointDtype(DType.F32).build();
    private static final String KEY = "base_model.model.model.layers.1.self_attn.o_proj.lora_";
    private static Engine engine;

    @TempDir
    private Path root;
    private Path directory;

    @BeforeAll
    static void open() {
        engine = Backends.open("cpu", 1);
    }

    @AfterAll
    static void close() {
        engine.close();
    }

    @BeforeEach
    void save() {
        directory = root.resolve("adapter");
        LoraConfig config = LoraConfig.uniform(MODEL, EnumSet.of(Projection.Q_PROJ, Projection.O_PROJ), 3, 6, "a model");
        try (LoraAdapter adapter = LoraAdapter.create(config, MODEL, engine.device())) {
            float next = 0;
            for (var factors : adapter.modules().values()) {
                for (var tensor : List.of(factors.loraA(), factors.loraB())) {
                    float[] values = new float[(int) tensor.numel()];
                    for (int i = 0; i < values.length; i++) {
                        values[i] = next++;
                    }
                    tensor.upload(values);
                }
            }
            adapter.save(directory);
        }
    }

    private void config(Consumer<ObjectNode> change) throws IOException {
        Path file = directory.resolve("adapter_config.json");
        ObjectNode json = (ObjectNode) new ObjectMapper().readTree(file.toFile());
        change.accept(json);
        Files.writeString(file, json.toString());
    }

    private void tensors(Consumer<SequencedMap<String, HostTensor>> change) {
        Path file = directory.resolve("adapter_model.safetensors");
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        try (SafetensorsFile stored = SafetensorsFile.open(file)) {
            stored.names().forEach(name -> {
                HostTensor t = stored.tensor(name);
                tensors.put(name, new HostTensor(t.dtype(), t.shape(), MemorySegment.ofArray(t.data().toArray(ValueLayout.JAVA_BYTE))));
            });
        }
        change.accept(tensors);
        SafetensorsWriter.write(file, tensors, Map.of());
    }

    private LoraAdapter load() {
        return LoraAdapter.load(directory, MODEL, engine);
    }

    private void refused(String... parts) {
        RefusedInput.input(() -> load().close(), directory, parts);
    }

    private void refusedConfig(Consumer<ObjectNode> change, String... parts) throws IOException {
        Path file = directory.resolve("adapter_config.json");
        String good = Files.readString(file);
        config(change);
        refused(parts);
        Files.writeString(file, good);
    }

    private static ModuleKey module(int layer, Projection projection) {
        return new ModuleKey(layer, projection);
    }

    @Test
    void savedAndLoaded() {
        try (LoraAdapter adapter = load()) {
            assertThat(adapter.modules()).hasSize(6);
            assertThat(adapter.trainableCount())
                .isEqualTo(TrainedShape
                    .ofAdapter(LoraConfig.uniform(MODEL, EnumSet.of(Projection.Q_PROJ, Projection.O_PROJ), 3, 6, "").ranks(),
                        TrainedShape.Variant.PLAIN)
                    .parameterCount(MODEL));
            assertThat(adapter.config().baseModel()).isEqualTo("a model");
            float next = 0;
            for (var factors : adapter.modules().values()) {
                assertThat(factors.scale()).isEqualTo(2f);
                for (var tensor : List.of(factors.loraA(), factors.loraB())) {
                    for (float value : tensor.toFloatArray()) {
                        assertThat(value).isEqualTo(next++);
                    }
                }
            }
            assertThat(next).isEqualTo(adapter.trainableCount());
        }
    }

    @Test
    void keysAreThoseOfPeft() {
        try (SafetensorsFile file = SafetensorsFile.open(directory.resolve("adapter_model.safetensors"))) {
            assertThat(file.names()).hasSize(12).contains(KEY + "A.weight", KEY + "B.weight");
            assertThat(file.tensor(KEY + "A.weight").shape().toArray()).containsExactly(3, 12);
            assertThat(file.tensor(KEY + "B.weight").shape().toArray()).containsExactly(16, 3);
        }
    }

    @Test
    void patternsAndScales() throws IOException {
        config(json -> {
            json.putObject("rank_pattern").put("layers.1.self_attn.o_proj", 5).put("o_proj", 4);
            json.putObject("alpha_pattern").put("q_proj", 16);
            json.put("use_rslora", true);
        });
        LoraConfig config = LoraConfigReader.read(directory.resolve("adapter_config.json"), MODEL).config();
        assertThat(config.rank(module(1, Projection.O_PROJ))).as("the first pattern that fits").isEqualTo(5);
        assertThat(config.rank(module(2, Projection.O_PROJ))).isEqualTo(4);
        assertThat(config.rank(module(2, Projection.Q_PROJ))).isEqualTo(3);
        assertThat(config.scale(module(0, Projection.Q_PROJ))).isEqualTo((float) (16 / Math.sqrt(3)));
        assertThat(config.scale(module(1, Projection.O_PROJ))).isEqualTo((float) (6 / Math.sqrt(5)));
    }

    @Test
    void targets() throws IOException {
        assertThat(modulesOf(json -> json.put("target_modules", "all-linear").putNull("layers_to_transform"))).hasSize(21);
        assertThat(modulesOf(json -> json.put("target_modules", ".*\\.[12]\\..*(q|k)_proj").putNull("layers_to_transform")))
            .containsExactlyInAnyOrder(module(1, Projection.Q_PROJ), module(1, Projection.K_PROJ), module(2, Projection.Q_PROJ),
                module(2, Projection.K_PROJ));
        assertThat(modulesOf(json -> json.put("layers_to_transform", 2).putArray("target_modules").add("self_attn.v_proj")))
            .containsExactly(module(2, Projection.V_PROJ));
        assertThat(modulesOf(json -> {
            json.put("target_modules", "all-linear").putArray("layers_to_transform").add(0);
            json.putArray("exclude_modules").add("gate_proj").add("up_proj").add("down_proj");
        })).hasSize(4);
    }

    private Iterable<ModuleKey> modulesOf(Consumer<ObjectNode> change) throws IOException {
        config(change);
        return LoraConfigReader.read(directory.resolve("adapter_config.json"), MODEL).config().modules();
    }

    @Test
    void unsupportedSettings() throws IOException {
        refusedConfig(json -> json.put("peft_type", "IA3"), "peft_type", "'IA3'", "'LORA'");
        for (String key : List.of("lora_bias", "fan_in_fan_out")) {
            refusedConfig(json -> json.put(key, true), key, "true");
        }
        refusedConfig(json -> json.put("bias", "some"), "'bias' is 'some'", "lora_only");
        refusedConfig(json -> json.putArray("modules_to_save").add("lm_head"), "modules_to_save", "lm_head");
        refusedConfig(json -> json.putArray("target_modules").add("q_proj").add("c_attn"), "target_modules", "c_attn", "q_proj");
        refusedConfig(json -> json.put("target_modules", "(q_proj"), "target_modules", "(q_proj", "regular expression");
        refusedConfig(json -> json.remove("target_modules"), "target_modules");
        refusedConfig(json -> json.putArray("layers_to_transform").add(3), "layers_to_transform", "0 to 2");
        refusedConfig(json -> json.put("r", 0), "'r' is 0");
        refusedConfig(json -> json.remove("r"), "lacks", "'r'");
        refusedConfig(json -> json.putObject("rank_pattern").put("q_proj", 2.5), "rank_pattern", "2.5");
        refusedConfig(json -> json.putObject("rank_pattern").put("(", 2), "rank_pattern", "regular expression");
        refusedConfig(json -> json.put("alpha_pattern", 3), "alpha_pattern", "3", "object");
    }

    @Test
    void rankMismatch() throws IOException {
        config(json -> json.put("r", 4));
        refused("shape [3, 16]", "expected [4, 16]", "rank 4");
    }

    @Test
    void missingAndExtraTensors() {
        tensors(t -> t.remove(KEY + "B.weight"));
        refused("lacks", KEY + "B.weight");
        save2(t -> t.put(KEY + "magnitude_vector", HostTensor.ofFloats(new float[1], 1)));
        refused("magnitude_vector");
    }

    @Test
    void trainedBiasesAreRefusedAndUnusedTensorsNamed() throws IOException {
        config(json -> json.put("bias", "lora_only"));
        load().close();
        String bias = "base_model.model.model.layers.1.self_attn.o_proj.bias";
        tensors(t -> t.put(bias, HostTensor.ofFloats(new float[16], 16)));
        refused("1 tensor", bias, "trained biases", "'bias'");
        tensors(t -> t.put("base_model.model.lm_head.lora_A.weight", HostTensor.ofFloats(new float[3], 3, 1)));
        refused("2 tensors", bias, "base_model.model.lm_head.lora_A.weight", "target_modules");
    }

    @Test
    void whatVeloraStoresBesideItsFactorsIsLeftAlone() throws IOException {
        tensors(t -> t.put(KEY + "velora_embed", HostTensor.ofFloats(new float[4], 4)));
        refused("1 tensor", "velora_embed");
        config(json -> json.putObject("velora_config").put("num_groups", 4));
        load().close();
    }

    @Test
    void modulesThatDifferByLayerAreWrittenByTheirPaths() {
        ModuleKey first = module(0, Projection.Q_PROJ);
        ModuleKey second = module(2, Projection.DOWN_PROJ);
        LoraConfig config = new LoraConfig(2, 4, false, false, new TreeSet<>(List.of(first, second)), Map.of(), Map.of(), "");
        try (LoraAdapter adapter = LoraAdapter.create(config, MODEL, engine.device())) {
            adapter.save(root.resolve("irregular"));
        }
        try (LoraAdapter adapter = LoraAdapter.load(root.resolve("irregular"), MODEL, engine)) {
            assertThat(adapter.modules()).containsOnlyKeys(first, second);
            assertThat(adapter.notes()).isEmpty();
        }
    }

    private void save2(Consumer<SequencedMap<String, HostTensor>> change) {
        tensors(t -> {
            t.put(KEY + "B.weight", HostTensor.ofFloats(new float[48], 16, 3));
            change.accept(t);
        });
    }

    @Test
    void anotherBase() {
        tensors(t -> t.put(KEY + "B.weight", HostTensor.ofFloats(new float[54], 18, 3)));
        refused(KEY + "B.weight", "[18, 3]", "[16, 3]", "another base model");
    }

    @Test
    void damagedValues() {
        tensors(t -> t.put(KEY + "B.weight", HostTensor.ofFloats(new float[] {Float.NaN, 0, 0}, 1, 3)));
        refused("[1, 3]");
        float[] values = new float[48];
        values[7] = Float.NaN;
        tensors(t -> t.put(KEY + "B.weight", HostTensor.ofFloats(values, 16, 3)));
        refused(KEY + "B.weight", "1 values that are NaN");
        tensors(t -> t.put(KEY + "B.weight", HostTensor.ofInts(new int[48], 16, 3)));
        refused(KEY + "B.weight", "I32");
    }

    private void renamed(UnaryOperator<String> name) {
        tensors(t -> {
            SequencedMap<String, HostTensor> copy = new LinkedHashMap<>(t);
            t.clear();
            copy.forEach((key, tensor) -> t.put(name.apply(key), tensor));
        });
    }

    @Test
    void namesWithTheAdaptersNameInsideAndThoseOfAutoModel() {
        float[] expected;
        try (LoraAdapter adapter = load()) {
            expected = adapter.modules().get(module(1, Projection.O_PROJ)).loraB().toFloatArray();
        }
        renamed(name -> name.replaceFirst("\\.weight$", ".my_adapter.weight"));
        try (LoraAdapter adapter = load()) {
            assertThat(adapter.modules().get(module(1, Projection.O_PROJ)).loraB().toFloatArray()).isEqualTo(expected);
            assertThat(adapter.notes()).isEmpty();
        }
        renamed(name -> name.replace("model.model.layers", "model.layers"));
        try (LoraAdapter adapter = load()) {
            assertThat(adapter.modules().get(module(1, Projection.O_PROJ)).loraB().toFloatArray()).isEqualTo(expected);
            assertThat(adapter.notes()).singleElement().asString().contains("AutoModel", "without 'model.'");
        }
        tensors(t -> t.put(KEY + "B.weight", HostTensor.ofFloats(new float[48], 16, 3)));
        refused("two tensors for one factor", "one adapter in each directory");
    }

    @Test
    void severalAdaptersInOneFile() {
        renamed(name -> name.contains("layers.0") ? name.replaceFirst("\\.weight$", ".other.weight") : name);
        refused("several adapters", "'other'");
    }

    @Test
    void embeddingsThatPeftSavedAreRefusedWithAdvice() {
        tensors(t -> {
            t.put("base_model.model.model.embed_tokens.weight", HostTensor.ofFloats(new float[64 * 16], 64, 16));
            t.put("base_model.model.lm_head.weight", HostTensor.ofFloats(new float[64 * 16], 64, 16));
        });
        refused("2 tensors that are whole embeddings", "lm_head.weight", "merge_and_unload", "save_embedding_layers=False");
    }

    @Test
    void missingFilesAndPickle() throws IOException {
        RefusedInput.input(() -> LoraAdapter.load(root.resolve("none"), MODEL, engine).close(), root.resolve("none"), "PEFT");
        Files.delete(directory.resolve("adapter_model.safetensors"));
        refused("adapter_model.safetensors does not exist");
        Files.writeString(directory.resolve("adapter_model.bin"), "x");
        refused("adapter_model.bin", "pickle", "safetensors");
    }

    @Test
    void weightsScaleWhatAnAdapterAddsAndMergingWithMinusOneTakesItOutAgain() throws IOException {
        assertThat(WeightedAdapter.parse("some/dir")).isEqualTo(new WeightedAdapter(Path.of("some/dir"), 1));
        assertThat(WeightedAdapter.parse("some/dir=-0.5")).isEqualTo(new WeightedAdapter(Path.of("some/dir"), -0.5f));
        Path odd = Files.createDirectory(root.resolve("a=1"));
        assertThat(WeightedAdapter.parse(odd.toString())).isEqualTo(new WeightedAdapter(odd, 1));
        Assertions.assertThatThrownBy(() -> WeightedAdapter.parse("some/dir=much")).isInstanceOf(InputException.class)
            .hasMessageContaining("'much'");

        Path base = root.resolve("base");
        try (ModelWeights weights = ModelWeights.random(MODEL, engine, DType.F32, 4)) {
            Files.createDirectory(base);
            weights.writeInto(base, engine);
        }
        Path once = root.resolve("once");
        LoraMerge.merge(base, List.of(new WeightedAdapter(directory, 0.5f), new WeightedAdapter(directory, 0.5f)), once, engine);
        Path whole = root.resolve("whole");
        LoraMerge.merge(base, List.of(new WeightedAdapter(directory, 1)), whole, engine);
        Path back = root.resolve("back");
        LoraMerge.merge(whole, List.of(new WeightedAdapter(directory, -1)), back, engine);
        String name = "model.layers.1.self_attn.o_proj.weight";
        float[] original = weight(base, name);
        float[] merged = weight(whole, name);
        float[] halves = weight(once, name);
        float[] restored = weight(back, name);
        double changed = 0;
        for (int i = 0; i < original.length; i++) {
            changed = Math.max(changed, Math.abs(merged[i] - original[i]));
            double ulp = Math.ulp(Math.max(Math.abs(merged[i]), Math.abs(original[i])));
            // One rounding when the product is added, one when it is taken away.
            assertThat((double) restored[i]).isCloseTo(original[i], Assertions.within(2 * ulp));
            assertThat((double) halves[i]).isCloseTo(merged[i], Assertions.within(4 * ulp));
        }
        assertThat(changed).as("the adapter does something").isGreaterThan(1e-3);
    }

    private static float[] weight(Path model, String name) {
        try (var file = SafetensorsFile.open(model.resolve("model.safetensors"))) {
            return file.tensor(name).toFloatArray();
        }
    }
}
