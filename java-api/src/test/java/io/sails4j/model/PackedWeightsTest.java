package io.sails4j.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.adaptation.AdapterInitialiser;
import io.sails4j.align.AdapterOptions;
import io.sails4j.align.AdapterVariant;
import io.sails4j.config.ModelConfig;
import io.sails4j.files.JsonFiles;
import io.sails4j.io.RefusedInput;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.LoraMerge;
import io.sails4j.lora.WeightedAdapter;
import io.sails4j.objective.PassContext;
import io.sails4j.objective.SftLoss;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import io.sails4j.trainable.LoraTrainable;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.Set;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** Models whose weights are packed, against models whose weights are what the packed ones stand for. */
class PackedWeightsTest {
    private static final int[] LONG = {2, 17, 5, 40, 3, 9, 33, 12, 58, 7, 21, 4};
    private static final int[] SHORT = {2, 17, 5};
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

    private static CausalModel packed(WeightFormat format, ModelConfig config) {
        try (CausalModel whole = new CausalModel(engine, ModelWeights.random(config, engine, DType.F32, 7), false)) {
            return new CausalModel(engine, QuantizedCheckpoint.pack(whole, format, null), false);
        }
    }

    /** The model whose weights are those that packed ones stand for, in F32. */
    private CausalModel widened(CausalModel packed) {
        Path target = directory.resolve("widened");
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        try (TensorArena memory = new TensorArena(engine.device()); Arena arena = Arena.ofConfined()) {
            packed.weights().parameters().keySet().forEach(
                name -> tensors.put(name, ModelWeights.toHost(engine, packed.weights().dense(name, memory), DType.F32, arena)));
            Files.createDirectories(target);
            SafetensorsWriter.write(target.resolve("model.safetensors"), tensors, Map.of());
            Files.writeString(target.resolve("config.json"), packed.config().toJson().toString());
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
        return CausalModel.load(target, engine, ModelOptions.of(DType.F32));
    }

    private static float[] logits(CausalModel model, int[] ids, AdapterStack adapters) {
        try (ModelSession session = ModelSession.open(model);
             ForwardPass pass = session.forward(TokenBatch.of(ids), adapters, ForwardOptions.inference())) {
            return session.logits(pass, null).toFloatArray();
        }
    }

    private static int[] generated(CausalModel model) {
        try (ModelSession session = ModelSession.open(model)) {
            return new Generator(session, AdapterStack.none()).generate(SHORT, GenerationOptions.greedy(20, Set.of()), null);
        }
    }

    private static AdapterStack stack(LoraAdapter adapter) {
        return new AdapterStack(List.of(adapter.modules()));
    }

    @ParameterizedTest
    @EnumSource(names = {"INT8", "INT4"})
    void aPackedModelComputesWhatItsWeightsStandFor(WeightFormat format) {
        for (ModelConfig config : List.of(TinyModel.CONFIG, TinyModel.LLAMA)) {
            try (CausalModel packed = packed(format, config); CausalModel whole = widened(packed);
                 LoraAdapter adapter = TinyModel.randomAdapter(engine, 5, config, Set.of(io.sails4j.config.Projection.values()))) {
                for (int[] ids : List.of(LONG, SHORT)) {
                    for (AdapterStack adapters : List.of(AdapterStack.none(), stack(adapter))) {
                        // Few rows are rounded to 16 bits on their way.
                        assertThat(logits(packed, ids, adapters)).usingComparatorWithPrecision(ids == LONG ? 1e-4f : 2e-3f)
                            .containsExactly(logits(whole, ids, adapters));
                    }
                }
                assertThat(generated(packed)).containsExactly(generated(whole));
            }
        }
    }

    @Test
    void gradientsOfAnAdapterAreThoseOnTheWeightsThatThePackedOnesStandFor() {
        try (CausalModel packed = packed(WeightFormat.INT4, TinyModel.CONFIG); CausalModel whole = widened(packed)) {
            float[] ofPacked = gradient(packed);
            float[] ofWhole = gradient(whole);
            assertThat(ofPacked).hasSameSizeAs(ofWhole);
            double largest = 0;
            for (float value : ofWhole) {
                largest = Math.max(largest, Math.abs(value));
            }
            assertThat(largest).isPositive();
            for (int i = 0; i < ofWhole.length; i++) {
                assertThat((double) ofPacked[i]).isCloseTo(ofWhole[i], within(1e-5 * largest));
            }
        }
    }

    private static float[] gradient(CausalModel model) {
        try (LoraAdapter adapter = TinyModel.randomAdapter(engine, 5);
             LoraTrainable trainable = new LoraTrainable(adapter, engine.device());
             ModelSession session = ModelSession.open(model); PassContext context = PassContext.of(session, false, RecomputePlan.none())) {
            new SftLoss(TinyModel.sequences(4, 3)).sumAndGradient(context, trainable, new int[] {0, 1, 2, 3}, 1);
            List<Float> all = new ArrayList<>();
            trainable.parameters().forEach(p -> {
                for (float value : p.gradient().toFloatArray()) {
                    all.add(value);
                }
            });
            float[] flat = new float[all.size()];
            for (int i = 0; i < flat.length; i++) {
                flat[i] = all.get(i);
            }
            return flat;
        }
    }

    /** DoRA's lengths are those of the rows that packed ones stand for. */
    @Test
    void anAdapterWithDoraLeavesAPackedModelAsItIsAtItsStart() {
        AdapterVariant dora = AdapterVariant.plain().with(b -> b.useDora = true);
        try (CausalModel packed = packed(WeightFormat.INT8, TinyModel.CONFIG);
             LoraAdapter adapter = AdapterInitialiser.plain(packed, AdapterOptions.ofAttention(4).withVariant(dora), 3, "tiny")) {
            assertThat(logits(packed, LONG, stack(adapter))).usingComparatorWithPrecision(1e-4f)
                .containsExactly(logits(packed, LONG, AdapterStack.none()));
        }
    }

    @Test
    void aCheckpointKeepsTheBitsAndSaysWhatItIs() {
        Path source = directory.resolve("source");
        writeSource(source);
        Path target = directory.resolve("packed");
        float[] before;
        try (CausalModel whole = CausalModel.load(source, engine, ModelOptions.defaults());
             CausalModel packed = new CausalModel(engine, QuantizedCheckpoint.pack(whole, WeightFormat.INT4, null), false)) {
            before = logits(packed, LONG, AdapterStack.none());
            QuantizedCheckpoint.write(packed.weights(), engine, source, target);
        }
        try (CausalModel read = CausalModel.load(target, engine, ModelOptions.defaults());
             CausalModel atLoad = CausalModel.load(source, engine, ModelOptions.defaults().withWeights(WeightFormat.INT4))) {
            assertThat(read.weights().format()).isEqualTo(WeightFormat.INT4);
            assertThat(read.weights().parameter(ModelWeights.EMBED_TOKENS).dtype()).isEqualTo(DType.Q8);
            assertThat(logits(read, LONG, AdapterStack.none())).containsExactly(before);
            assertThat(logits(atLoad, LONG, AdapterStack.none())).containsExactly(before);
        }
        assertThat(JsonFiles.readObject(target.resolve("config.json")).node().at("/quantization_config/quant_method").asText())
            .isEqualTo("sails4j");
        assertThat(target.resolve("tokenizer.json")).hasContent("{}");
    }

    private static void writeSource(Path source) {
        try (ModelWeights weights = ModelWeights.random(TinyModel.CONFIG, engine, DType.F32, 7)) {
            Files.createDirectories(source);
            weights.writeInto(source, engine);
            Files.writeString(source.resolve("tokenizer.json"), "{}");
        } catch (java.io.IOException e) {
            throw new java.io.UncheckedIOException(e);
        }
    }

    @Test
    void whatAQuantizedCheckpointCannotBeUsedForIsRefused() {
        Path source = directory.resolve("source");
        writeSource(source);
        Path target = directory.resolve("packed");
        try (CausalModel whole = CausalModel.load(source, engine, ModelOptions.defaults());
             ModelWeights packed = QuantizedCheckpoint.pack(whole, WeightFormat.INT8, null)) {
            QuantizedCheckpoint.write(packed, engine, source, target);
        }
        RefusedInput.input(() -> CausalModel.load(target, engine, new ModelOptions(null, true, false)).close(), target,
            "model.embed_tokens.weight", "cannot be trained");
        RefusedInput.input(() -> CausalModel.load(target, engine, ModelOptions.defaults().withWeights(WeightFormat.INT4)).close(), target,
            "quantized already");
        RefusedInput.input(() -> LoraMerge.merge(target, List.<WeightedAdapter>of(), directory.resolve("merged"), engine), target,
            "is quantized", "then quantize that one");
        assertThatThrownBy(() -> new ModelOptions(null, true, false, WeightFormat.INT8)).isInstanceOf(IllegalArgumentException.class);
        damage(target.resolve("model.safetensors"));
        RefusedInput.input(() -> CausalModel.load(target, engine, ModelOptions.defaults()).close(), target, "1 scales", "damaged");
    }

    /** The first group of the embedding's last row gets a scale that is no number. */
    private static void damage(Path file) {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        try (SafetensorsFile opened = SafetensorsFile.open(file)) {
            opened.names().forEach(name -> {
                HostTensor t = opened.tensor(name);
                tensors.put(name, new HostTensor(t.dtype(), t.shape(), MemorySegment.ofArray(t.data().toArray(ValueLayout.JAVA_BYTE))));
            });
        }
        HostTensor embedding = tensors.get(ModelWeights.EMBED_TOKENS);
        long at = (embedding.shape().dim(0) - 1) * embedding.shape().dim(1) + DType.GROUP;
        embedding.data().set(ValueLayout.JAVA_SHORT_UNALIGNED, at, (short) 0x7fc0);
        SafetensorsWriter.write(file, tensors, Map.of());
    }

    /** The head's input is the final norm's output; weighted by it, the scales err less than those of the largest. */
    @Test
    void importanceIsTheMeanSquareOfTheInputAndLessensTheWeightedError() {
        try (CausalModel whole = TinyModel.open(engine); ModelSession session = ModelSession.open(whole);
             TensorArena memory = new TensorArena(engine.device())) {
            InputImportance importance = new InputImportance();
            importance.add(session, LONG);
            importance.add(session, SHORT);
            assertThat(importance.tokens()).isEqualTo(LONG.length + SHORT.length);
            double[] expected = new double[24];
            for (int[] ids : List.of(LONG, SHORT)) {
                try (ForwardPass pass = session.forward(TokenBatch.of(ids), AdapterStack.none(), ForwardOptions.inference())) {
                    float[] hidden = pass.finalNorm().toFloatArray();
                    for (int i = 0; i < hidden.length; i++) {
                        expected[i % 24] += (double) hidden[i] * hidden[i];
                    }
                }
            }
            float[] found = important(importance, ModelWeights.EMBED_TOKENS, memory);
            for (int j = 1; j < 24; j++) {
                assertThat((found[j] - 1e-3) / (found[0] - 1e-3)).isCloseTo(expected[j] / expected[0], within(1e-4));
            }
            for (WeightFormat format : List.of(WeightFormat.INT8, WeightFormat.INT4)) {
                try (ModelWeights plain = QuantizedCheckpoint.pack(whole, format, null);
                     ModelWeights aware = QuantizedCheckpoint.pack(whole, format, importance)) {
                    double errorOfPlain = 0;
                    double errorOfAware = 0;
                    for (String name : whole.weights().parameters().keySet()) {
                        float[] weights = important(importance, name, memory);
                        if (weights != null) {
                            errorOfPlain += error(whole, plain, name, weights, memory);
                            errorOfAware += error(whole, aware, name, weights, memory);
                        }
                    }
                    assertThat(errorOfAware).isPositive().isLessThan(0.95 * errorOfPlain);
                }
            }
        }
    }

    private static float @Nullable [] important(InputImportance importance, String name, TensorArena memory) {
        Tensor tensor = importance.of(name, memory);
        return tensor == null ? null : tensor.toFloatArray();
    }

    private static double error(CausalModel whole, ModelWeights packed, String name, float[] importance, TensorArena memory) {
        float[] before = whole.weights().parameter(name).toFloatArray();
        float[] after = packed.dense(name, memory).toFloatArray();
        double sum = 0;
        for (int i = 0; i < before.length; i++) {
            sum += importance[i % importance.length] * Math.pow(before[i] - after[i], 2);
        }
        return sum;
    }
}
