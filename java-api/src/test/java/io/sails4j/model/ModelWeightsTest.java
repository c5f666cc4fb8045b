package io.sails4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.NativeException;
import io.sails4j.config.ModelConfig;
import io.sails4j.io.RefusedInput;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Tensor;
import io.sails4j.testing.Backends;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Consumer;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Weights of a checkpoint directory: read in every stored type, refused where they are not the model's. */
class ModelWeightsTest {
    private static final ModelConfig CONFIG = ModelConfig.gemma2().vocabSize(37).dModel(16).layers(1).heads(2, 1).headDim(8).dFf(24)
        .slidingWindow(4).maxPositionEmbeddings(64).checkpointDtype(DType.F32).build();
    private static final String EMBED = ModelWeights.EMBED_TOKENS;
    private static Engine engine;

    @TempDir
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
    void write() {
        try (ModelWeights weights = ModelWeights.random(CONFIG, engine, DType.F32, 1)) {
            weights.writeInto(directory, engine);
        }
    }

    private SequencedMap<String, HostTensor> stored() {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        try (SafetensorsFile file = SafetensorsFile.open(directory.resolve("model.safetensors"))) {
            file.names().forEach(name -> {
                HostTensor t = file.tensor(name);
                tensors.put(name, new HostTensor(t.dtype(), t.shape(), MemorySegment.ofArray(t.data().toArray(ValueLayout.JAVA_BYTE))));
            });
        }
        return tensors;
    }

    private void change(Consumer<SequencedMap<String, HostTensor>> change) {
        SequencedMap<String, HostTensor> tensors = stored();
        change.accept(tensors);
        SafetensorsWriter.write(directory.resolve("model.safetensors"), tensors, Map.of());
    }

    @Test
    void buffersThatMeanNothingAreIgnoredAndToldOf() {
        change(t -> {
            t.put("model.layers.0.self_attn.rotary_emb.inv_freq", HostTensor.ofFloats(new float[4], 4));
            t.put("model.rotary_emb.inv_freq", HostTensor.ofFloats(new float[4], 4));
            t.put("model.layers.0.self_attn.bias", HostTensor.ofFloats(new float[25], 1, 1, 5, 5));
            t.put("model.layers.0.self_attn.masked_bias", HostTensor.ofFloats(new float[] {-1e9f}, 1));
        });
        try (ModelWeights weights = load(DType.F32, false)) {
            assertThat(weights.ignored()).hasSize(4).contains("model.rotary_emb.inv_freq");
            assertThat(weights.parameters()).doesNotContainKeys("model.rotary_emb.inv_freq");
        }
        for (String name : List.of("model.layers.0.self_attn.q_proj.bias", "model.layers.0.mlp.rotary_emb.inv_freq",
            "model.layers.0.self_attn.q_norm.weight")) {
            change(t -> t.put(name, HostTensor.ofFloats(new float[4], 4)));
            RefusedInput.input(() -> load(DType.F32, false).close(), directory, name, "does not have");
            change(t -> t.remove(name));
        }
        change(t -> t.put("model.layers.0.self_attn.bias", HostTensor.ofFloats(new float[16], 16)));
        RefusedInput.input(() -> load(DType.F32, false).close(), directory, "self_attn.bias");
    }

    private ModelWeights load(DType dtype, boolean writable) {
        return ModelWeights.load(directory, ModelConfig.read(directory), engine, dtype, writable);
    }

    private void refused(String... parts) {
        RefusedInput.input(() -> load(DType.F32, false).close(), directory, parts);
    }

    /** The values as stored in another type, and what they then are in F32. */
    private float[] restore(DType dtype) {
        float[] values = stored().get(EMBED).toFloatArray();
        short[] bits = new short[values.length];
        for (int i = 0; i < values.length; i++) {
            bits[i] = dtype == DType.F16 ? Float.floatToFloat16(values[i]) : (short) (Float.floatToRawIntBits(values[i]) >>> 16);
        }
        HostTensor tensor = new HostTensor(dtype, stored().get(EMBED).shape(), MemorySegment.ofArray(bits));
        change(t -> t.put(EMBED, tensor));
        return tensor.toFloatArray();
    }

    @Test
    void storedTypes() {
        try (ModelWeights weights = load(DType.F32, false)) {
            assertThat(weights.embedTokens().toFloatArray()).containsExactly(stored().get(EMBED).toFloatArray());
        }
        for (DType dtype : List.of(DType.BF16, DType.F16)) {
            write();
            float[] expected = restore(dtype);
            try (ModelWeights weights = load(DType.F32, false)) {
                assertThat(weights.embedTokens().toFloatArray()).as("%s", dtype).containsExactly(expected);
            }
        }
    }

    @Test
    void mappedAndOwn() {
        float[] before = stored().get(EMBED).toFloatArray();
        try (ModelWeights weights = load(DType.F32, true)) {
            weights.embedTokens().fillZero();
            assertThat(stored().get(EMBED).toFloatArray()).as("the file").containsExactly(before);
        }
        try (ModelWeights mapped = load(DType.F32, false); ModelWeights bf16 = load(DType.BF16, false)) {
            assertThat(mapped.parameters().values()).extracting(Tensor::dtype).containsOnly(DType.F32);
            assertThat(bf16.embedTokens().dtype()).isEqualTo(DType.BF16);
            assertThat(bf16.finalNorm().dtype()).isEqualTo(DType.F32);
        }
    }

    @Test
    void tiedHead() {
        change(t -> t.put("lm_head.weight", t.get(EMBED)));
        load(DType.F32, false).close();
        change(t -> {
            float[] other = t.get(EMBED).toFloatArray();
            other[5] += 1;
            t.put("lm_head.weight", HostTensor.ofFloats(other, t.get(EMBED).shape().toArray()));
        });
        refused("lm_head.weight", "differs", EMBED);
    }

    @Test
    void otherTensors() {
        SequencedMap<String, HostTensor> good = stored();
        change(t -> t.remove(ModelWeights.FINAL_NORM));
        refused("lacks 1 ", ModelWeights.FINAL_NORM, "do not belong together");
        change(t -> t.put("module." + ModelWeights.FINAL_NORM, good.get(ModelWeights.FINAL_NORM)));
        refused("there is 'module." + ModelWeights.FINAL_NORM + "' in place of", "a wrapper around the model", "save_pretrained");
        change(t -> t.remove("module." + ModelWeights.FINAL_NORM));
        change(t -> {
            t.putAll(good);
            t.put("model.layers.0.self_attn.q_norm.weight", HostTensor.ofFloats(new float[4], 4));
        });
        refused("q_norm.weight");
        change(t -> {
            t.clear();
            t.putAll(good);
            t.put(EMBED, HostTensor.ofFloats(new float[37 * 16], 16, 37));
        });
        refused(EMBED, "[16, 37]", "[37, 16]");
        change(t -> t.put(EMBED, HostTensor.ofInts(new int[37 * 16], 37, 16)));
        refused(EMBED, "I32", "BF16");
        float[] damaged = good.get(EMBED).toFloatArray();
        damaged[3] = Float.POSITIVE_INFINITY;
        damaged[9] = Float.NaN;
        change(t -> t.put(EMBED, HostTensor.ofFloats(damaged, 37, 16)));
        refused(EMBED, "2 values", "damaged");
    }

    @Test
    void randomWeightsDependOnTheSeedAlone() {
        float[] first = stored().get(EMBED).toFloatArray();
        write();
        assertThat(stored().get(EMBED).toFloatArray()).containsExactly(first);
        double square = 0;
        for (float value : first) {
            square += value * value;
        }
        // Mean square 1/d_model; its relative deviation over n values is below 3 sqrt(2/n), fewer for this flatter distribution.
        assertThat(square / first.length * CONFIG.dModel()).isBetween(1 - 3 * Math.sqrt(2.0 / first.length),
            1 + 3 * Math.sqrt(2.0 / first.length));
    }

    @Test
    void weightsThatDoNotFitGiveBackWhatWasAllocated() {
        // The embedding fits into a MiB, the gate's weights beside it do not.
        ModelConfig wide = ModelConfig.gemma2().vocabSize(8_000).dModel(16).layers(1).heads(2, 1).headDim(8).dFf(20_000).slidingWindow(4)
            .maxPositionEmbeddings(64).checkpointDtype(DType.F32).build();
        try (Engine small = Engine.open(new EngineOptions("emulator", 1, "memory_mib=1"))) {
            assertThatThrownBy(() -> ModelWeights.random(wide, small, DType.F32, 1)).isInstanceOf(NativeException.class);
            assertThat(small.device().allocatedBytes()).isZero();
        }
    }
}
