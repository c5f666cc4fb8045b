package io.sails4j.lora;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.Projection;
import io.sails4j.files.AtomicFiles;
import io.sails4j.files.JsonFiles;
import io.sails4j.io.RefusedInput;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import io.sails4j.testing.Backends;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SequencedMap;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Merging keeps the checkpoint's shape on disk. Weights are multiples of 2^-6 below 2 and an adapter adds multiples of 2^-12 below 1/4, so
 * that sums are exact in F32 and every difference is one of rounding to the type that is written.
 */
class LoraMergeTest {
    private static final ModelConfig MODEL = ModelConfig.gemma2().vocabSize(64).dModel(16).layers(3).heads(2, 1).headDim(6).dFf(20)
        .slidingWindow(4).queryPreAttnScalar(8).maxPositionEmbeddings(64).build();
    private static final String INDEX = "model.safetensors.index.json";
    private static final Map<String, String> METADATA = Map.of("format", "pt", "licence", "a licence");
    private static Engine engine;

    @TempDir
    private Path root;

    @BeforeAll
    static void open() {
        engine = Backends.open("cpu", 1);
    }

    @AfterAll
    static void close() {
        engine.close();
    }

    /** The embedding, layer 0, and the rest in shards of their own; layer norms are F32 among 16-bit weights. */
    private Path checkpoint(String name, DType type) throws IOException {
        Path base = Files.createDirectory(root.resolve(name));
        Random random = new Random(7);
        Map<String, SequencedMap<String, HostTensor>> shards = new LinkedHashMap<>();
        ObjectNode map = new ObjectMapper().createObjectNode();
        long bytes = 0;
        List<String> names = new ArrayList<>(ModelWeights.shapes(MODEL).keySet());
        Collections.shuffle(names, random);
        for (String tensor : names) {
            Shape shape = ModelWeights.shapes(MODEL).get(tensor);
            String shard = tensor.contains("embed") ? "model-00001-of-00003.safetensors"
                : tensor.contains("layers.0.") ? "model-00002-of-00003.safetensors"
                    : "model-00003-of-00003.safetensors";
            float[] values = new float[(int) shape.numel()];
            for (int i = 0; i < values.length; i++) {
                values[i] = (random.nextInt(255) - 127) / 64f;
            }
            HostTensor stored = stored(values, shape, shape.rank() == 1 ? DType.F32 : type);
            shards.computeIfAbsent(shard, s -> new LinkedHashMap<>()).put(tensor, stored);
            map.put(tensor, shard);
            bytes += stored.data().byteSize();
        }
        shards.forEach((file, tensors) -> SafetensorsWriter.write(base.resolve(file), tensors, METADATA));
        ObjectNode index = new ObjectMapper().createObjectNode();
        index.putObject("metadata").put("total_parameters", 1234).put("total_size", bytes);
        index.set("weight_map", map);
        AtomicFiles.writeJson(base.resolve(INDEX), index);
        ObjectNode config = MODEL.toJson();
        config.put("architectures_note", "kept").put("torch_dtype",
            type == DType.F32 ? "float32" : type == DType.F16 ? "float16" : "bfloat16");
        Files.writeString(base.resolve("config.json"), config.toString());
        Files.writeString(base.resolve("tokenizer.json"), "{}");
        Files.writeString(base.resolve("chat_template.jinja"), "x");
        Files.writeString(base.resolve("notes.txt"), "not the model's");
        return base;
    }

    private static HostTensor stored(float[] values, Shape shape, DType type) {
        byte[] bytes = new byte[values.length * type.byteSize()];
        MemorySegment data = MemorySegment.ofArray(bytes);
        for (int i = 0; i < values.length; i++) {
            switch (type) {
                case F32 -> data.set(ValueLayout.JAVA_FLOAT_UNALIGNED, 4L * i, values[i]);
                case F16 -> data.set(ValueLayout.JAVA_SHORT_UNALIGNED, 2L * i, Float.floatToFloat16(values[i]));
                case BF16 -> data.set(ValueLayout.JAVA_SHORT_UNALIGNED, 2L * i, bf16(values[i]));
                default -> throw new IllegalArgumentException(type.toString());
            }
        }
        return new HostTensor(type, shape, data);
    }

    /** Round to nearest, ties to even. */
    private static short bf16(float value) {
        int bits = Float.floatToRawIntBits(value);
        return (short) (bits + 0x7FFF + (bits >>> 16 & 1) >>> 16);
    }

    /** An adapter on o_proj of layer 1 and q_proj of layer 2: lora_A in sixteenths, lora_B in 256ths, scale 1. */
    private Path adapter(String name, float factor, boolean dora) {
        LoraConfig config = new LoraConfig(3, 3, false, dora,
            new TreeSet<>(LoraConfig.uniform(MODEL, EnumSet.of(Projection.Q_PROJ, Projection.O_PROJ), 3, 3, "")
                .modules().stream().filter(m -> m.layer() == (m.projection() == Projection.O_PROJ ? 1 : 2)).toList()),
            Map.of(), Map.of(), "base");
        Random random = new Random(3);
        try (LoraAdapter adapter = LoraAdapter.create(config, MODEL, engine.device())) {
            adapter.modules().values().forEach(factors -> {
                factors.loraA().upload(eighths(random, factors.loraA().numel(), 1 / 16f));
                factors.loraB().upload(eighths(random, factors.loraB().numel(), factor / 256f));
                if (factors.dora() != null) {
                    factors.dora().magnitude().upload(eighths(random, factors.dora().magnitude().numel(), 1));
                }
            });
            adapter.save(root.resolve(name));
        }
        return root.resolve(name);
    }

    private static float[] eighths(Random random, long n, float unit) {
        float[] values = new float[(int) n];
        for (int i = 0; i < values.length; i++) {
            values[i] = (random.nextInt(15) - 7) * unit;
        }
        return values;
    }

    /** W + lora_B lora_A, exactly, of the one changed tensor that is looked at closely. */
    private float[] sum(Path base, Path adapter, String module) {
        try (SafetensorsFile shard = SafetensorsFile.open(base.resolve("model-00003-of-00003.safetensors"));
             SafetensorsFile factors = SafetensorsFile.open(adapter.resolve("adapter_model.safetensors"))) {
            HostTensor weight = shard.tensor(module + ".weight");
            float[] w = weight.toFloatArray();
            float[] a = factors.tensor("base_model.model." + module + ".lora_A.weight").toFloatArray();
            float[] b = factors.tensor("base_model.model." + module + ".lora_B.weight").toFloatArray();
            int d = (int) weight.shape().dim(1);
            for (int i = 0; i < w.length; i++) {
                double delta = 0;
                for (int k = 0; k < 3; k++) {
                    delta += (double) b[i / d * 3 + k] * a[k * d + i % d];
                }
                w[i] = (float) (w[i] + delta);
            }
            return w;
        }
    }

    private Path merge(Path base, String out, DType type, WeightedAdapter... adapters) {
        LoraMerge.merge(base, List.of(adapters), root.resolve(out), type, engine, MergeListener.NONE);
        return root.resolve(out);
    }

    private static List<String> shards(Path directory) throws IOException {
        try (var files = Files.list(directory)) {
            return files.map(f -> f.getFileName().toString()).filter(n -> n.endsWith(".safetensors")).sorted().toList();
        }
    }

    /** Same shards, tensors in the same order, metadata; every tensor but the two that the adapter is on bit by bit. */
    private static void assertSameLayout(Path base, Path merged, UnaryOperator<DType> type) throws IOException {
        assertThat(shards(merged)).isEqualTo(shards(base)).hasSize(3);
        for (String shard : shards(base)) {
            try (SafetensorsFile before = SafetensorsFile.open(base.resolve(shard));
                 SafetensorsFile after = SafetensorsFile.open(merged.resolve(shard))) {
                assertThat(after.metadata()).isEqualTo(before.metadata()).isEqualTo(METADATA);
                assertThat(List.copyOf(after.names())).isEqualTo(List.copyOf(before.names()));
                for (String name : before.names()) {
                    HostTensor old = before.tensor(name);
                    HostTensor fresh = after.tensor(name);
                    assertThat(fresh.dtype()).as(name).isEqualTo(type.apply(old.dtype()));
                    assertThat(fresh.shape()).as(name).isEqualTo(old.shape());
                    boolean touched = name.contains("layers.1.self_attn.o_proj") || name.contains("layers.2.self_attn.q_proj");
                    if (!touched) {
                        assertThat(fresh.toFloatArray()).as(name).isEqualTo(old.toFloatArray());
                    }
                }
            }
        }
    }

    @Test
    void theOriginalsShardsAndMetadataStay() throws IOException {
        Path base = checkpoint("base", DType.BF16);
        Path adapter = adapter("adapter", 1, false);
        Path merged = merge(base, "merged", null, new WeightedAdapter(adapter, 1));
        assertSameLayout(base, merged, type -> type);
        for (String same : List.of(INDEX, "config.json", "tokenizer.json", "chat_template.jinja", "model-00001-of-00003.safetensors",
            "model-00002-of-00003.safetensors")) {
            assertThat(Files.mismatch(base.resolve(same), merged.resolve(same))).as(same).isEqualTo(-1);
        }
        assertThat(merged.resolve("notes.txt")).doesNotExist();
        String module = "model.layers.1.self_attn.o_proj";
        float[] exact = sum(base, adapter, module);
        try (SafetensorsFile shard = SafetensorsFile.open(merged.resolve("model-00003-of-00003.safetensors"))) {
            float[] found = shard.tensor(module + ".weight").toFloatArray();
            int ties = 0;
            for (int i = 0; i < exact.length; i++) {
                assertThat(found[i]).isEqualTo(Float.intBitsToFloat(bf16(exact[i]) << 16));
                ties += (Float.floatToRawIntBits(exact[i]) & 0xFFFF) == 0x8000 ? 1 : 0;
            }
            assertThat(ties).as("sums half way between two bf16 values").isPositive();
        }
    }

    @Test
    void unmergingGivesTheSameBytes() throws IOException {
        Path base = checkpoint("base", DType.F32);
        Path adapter = adapter("adapter", 1, false);
        Path merged = merge(base, "merged", null, new WeightedAdapter(adapter, 1));
        Path other = merge(base, "halves", null, new WeightedAdapter(adapter, 0.5f), new WeightedAdapter(adapter, 0.5f));
        Path back = merge(merged, "back", null, new WeightedAdapter(adapter, -1));
        assertSameLayout(base, merged, type -> type);
        assertThat(Files.mismatch(base.resolve("model-00003-of-00003.safetensors"), merged.resolve("model-00003-of-00003.safetensors")))
            .isPositive();
        for (String shard : shards(base)) {
            assertThat(Files.mismatch(base.resolve(shard), back.resolve(shard))).as(shard).isEqualTo(-1);
            assertThat(Files.mismatch(merged.resolve(shard), other.resolve(shard))).as(shard).isEqualTo(-1);
        }
        assertThat(Files.mismatch(base.resolve(INDEX), back.resolve(INDEX))).isEqualTo(-1);
    }

    @Test
    void anotherTypeIsWrittenThroughout() throws IOException {
        Path base = checkpoint("base", DType.BF16);
        Path adapter = adapter("adapter", 1, false);
        Path wide = merge(base, "wide", DType.F32, new WeightedAdapter(adapter, 1));
        assertSameLayout(base, wide, type -> DType.F32);
        JsonNode index = JsonFiles.read(wide.resolve(INDEX));
        long parameters = ModelWeights.shapes(MODEL).values().stream().mapToLong(Shape::numel).sum();
        assertThat(index.get("metadata").get("total_size").asLong()).isEqualTo(4 * parameters);
        assertThat(index.get("metadata").get("total_parameters").asInt()).isEqualTo(1234);
        assertThat(index.get("weight_map")).isEqualTo(JsonFiles.read(base.resolve(INDEX)).get("weight_map"));
        JsonNode config = JsonFiles.read(wide.resolve("config.json"));
        assertThat(config.get("torch_dtype").asText()).isEqualTo("float32");
        assertThat(config.get("architectures_note").asText()).isEqualTo("kept");
        String module = "model.layers.2.self_attn.q_proj";
        try (SafetensorsFile shard = SafetensorsFile.open(wide.resolve("model-00003-of-00003.safetensors"))) {
            assertThat(shard.tensor(module + ".weight").toFloatArray()).isEqualTo(sum(base, adapter, module));
        }
        Path narrow = merge(checkpoint("floats", DType.F32), "narrow", DType.BF16, new WeightedAdapter(adapter, 1));
        assertSameLayout(base, narrow, type -> DType.BF16);
        assertThat(ModelConfig.read(narrow).checkpointDtype()).isEqualTo(DType.BF16);
    }

    @Test
    void buffersThatMeanNothingStayAsTheyAre() throws IOException {
        Path base = checkpoint("base", DType.BF16);
        String name = "model.layers.2.self_attn.bias";
        Path last = base.resolve("model-00003-of-00003.safetensors");
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        try (SafetensorsFile file = SafetensorsFile.open(last)) {
            file.names().forEach(n -> {
                HostTensor t = file.tensor(n);
                tensors.put(n, new HostTensor(t.dtype(), t.shape(), MemorySegment.ofArray(t.data().toArray(ValueLayout.JAVA_BYTE))));
            });
        }
        HostTensor mask = new HostTensor(DType.BOOL, Shape.of(1, 1, 3, 3), MemorySegment.ofArray(new byte[] {1, 0, 0, 1, 1, 0, 1, 1, 1}));
        tensors.put(name, mask);
        SafetensorsWriter.write(last, tensors, METADATA);
        ObjectNode index = (ObjectNode) JsonFiles.read(base.resolve(INDEX));
        index.withObject("/weight_map").put(name, last.getFileName().toString());
        AtomicFiles.writeJson(base.resolve(INDEX), index);
        Path wide = merge(base, "wide", DType.F32, new WeightedAdapter(adapter("adapter", 1, false), 1));
        try (SafetensorsFile file = SafetensorsFile.open(wide.resolve(last.getFileName()))) {
            assertThat(file.tensor(name).dtype()).isEqualTo(DType.BOOL);
            assertThat(file.tensor(name).data().mismatch(mask.data())).isEqualTo(-1);
        }
    }

    @Test
    void whatCannotBeWrittenIsSaidAndLeavesNothing() throws IOException {
        Path half = checkpoint("half", DType.F16);
        assertSameLayout(half, merge(half, "good", null, new WeightedAdapter(adapter("adapter", 1, false), 1)), type -> type);
        Path large = adapter("large", 1e7f, false);
        RefusedInput.input(() -> merge(half, "out", null, new WeightedAdapter(large, 1)), half, "model.layers.1.self_attn.o_proj.weight",
            "range of F16", "dtype=f32");
        Path dora = adapter("dora", 1, true);
        RefusedInput.input(() -> merge(half, "out", null, new WeightedAdapter(dora, 1), new WeightedAdapter(large, 1)),
            Path.of("model.layers.1.self_attn.o_proj"), "DoRA");
        RefusedInput.input(() -> merge(half, "out", null, new WeightedAdapter(dora, -1)), dora, "DoRA", "-1");
        Path shard = half.resolve("model-00002-of-00003.safetensors");
        byte[] bytes = Files.readAllBytes(shard);
        Arrays.fill(bytes, bytes.length - 2, bytes.length, (byte) 0xFF);
        Files.write(shard, bytes);
        RefusedInput.input(() -> merge(half, "out", null, new WeightedAdapter(root.resolve("adapter"), 1)), shard, "NaN", "damaged");
        try (var files = Files.list(root)) {
            assertThat(files.map(f -> f.getFileName().toString())).noneMatch(n -> n.contains("out"));
        }
    }
}
