package io.sails4j.trace;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.io.RefusedInput;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.TokenBatch;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Batch files, and what a trace of one needs. */
class BatchFileTest {
    @TempDir
    private Path directory;

    private Path file(Consumer<SequencedMap<String, HostTensor>> change) {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        tensors.put("input_ids", HostTensor.ofInts(new int[] {2, 3, 4, 2, 5, 0}, 2, 3));
        tensors.put("attention_mask", HostTensor.ofInts(new int[] {1, 1, 1, 1, 1, 0}, 2, 3));
        tensors.put("labels", HostTensor.ofInts(new int[] {-100, 3, 4, -100, 5, -100}, 2, 3));
        change.accept(tensors);
        Path path = directory.resolve("batch.safetensors");
        SafetensorsWriter.write(path, tensors, Map.of());
        return path;
    }

    private void refused(Consumer<SequencedMap<String, HostTensor>> change, String... parts) {
        Path path = file(change);
        RefusedInput.input(() -> BatchFile.read(path), path, parts);
    }

    @Test
    void read() {
        TokenBatch batch = BatchFile.read(file(t -> {}));
        assertThat(batch.positionIds()).containsExactly(0, 1, 2, 0, 1, 1);
        assertThat(batch.targets()).as("position t predicts label t + 1").containsExactly(3, 4, -100, 5, -100, -100);
        assertThat(BatchFile.read(file(t -> t.remove("labels"))).targets()).isNull();
        assertThat(BatchFile.read(file(t -> t.put("position_ids", HostTensor.ofInts(new int[] {4, 5, 6, 0, 1, 2}, 2, 3)))).positionIds())
            .containsExactly(4, 5, 6, 0, 1, 2);
    }

    @Test
    void brokenFiles() {
        refused(t -> t.remove("input_ids"), "input_ids");
        refused(t -> t.remove("attention_mask"), "attention_mask");
        refused(t -> t.put("input_ids", HostTensor.ofInts(new int[6], 6)), "input_ids", "[6]", "[batch, length]");
        refused(t -> t.put("input_ids", HostTensor.ofInts(new int[0], 0, 3)), "input_ids", "[0, 3]");
        refused(t -> t.put("input_ids", HostTensor.ofFloats(new float[6], 2, 3)), "input_ids", "F32", "integers");
        refused(t -> t.put("attention_mask", HostTensor.ofInts(new int[4], 2, 2)), "attention_mask", "[2, 2]", "[2, 3]");
        refused(t -> t.put("attention_mask", HostTensor.ofInts(new int[] {1, 1, 1, 1, 2, 0}, 2, 3)), "attention_mask", "2");
        refused(t -> t.put("labels", HostTensor.ofInts(new int[3], 3)), "labels", "[3]");
        refused(t -> t.put("labels", HostTensor.ofInts(new int[] {-100, 3, -7, -100, 5, -100}, 2, 3)), "labels", "-7", "-100");
        refused(t -> t.put("position_ids", HostTensor.ofInts(new int[] {0, -1, 2, 0, 1, 2}, 2, 3)), "position_ids", "-1");
        refused(t -> t.put("labels", new HostTensor(DType.I64, Shape.of(2, 3),
            MemorySegment.ofArray(new long[] {1L << 40, 0, 0, 0, 0, 0}))), "labels", "32 bits");
    }

    @Test
    void whatTracesNeed() {
        try (Engine engine = Backends.open("cpu", 1); CausalModel model = TinyModel.open(engine);
             LoraAdapter adapter = TinyModel.randomAdapter(engine, 1)) {
            TokenBatch good = BatchFile.read(file(t -> {}));
            TokenBatch unlabelled = BatchFile.read(file(t -> t.remove("labels")));
            TokenBatch uncounted = BatchFile
                .read(file(t -> t.put("labels", HostTensor.ofInts(new int[] {3, -100, -100, 4, -100, -100}, 2, 3))));
            TokenBatch foreign = BatchFile
                .read(file(t -> t.put("labels", HostTensor.ofInts(new int[] {-100, 3, 61, -100, 5, -100}, 2, 3))));
            Path place = Path.of("label");
            RefusedInput.input(() -> Trace.run(model, AdapterStack.none(), unlabelled, Trace.Gradients.ALL), place, "gradients");
            RefusedInput.input(() -> Trace.run(model, AdapterStack.none(), uncounted, Trace.Gradients.NONE), place, "-100");
            RefusedInput.input(() -> Trace.run(model, AdapterStack.none(), foreign, Trace.Gradients.NONE), place, "61");
            RefusedInput.input(() -> Trace.run(model, AdapterStack.none(), good, Trace.Gradients.LORA), Path.of("adapter"),
                "name an adapter");
            Map<String, HostTensor> plain = Trace.run(model, AdapterStack.none(), good, Trace.Gradients.NONE);
            assertThat(plain).containsKeys("hidden.embed", "hidden.layer.1", "hidden.final_norm", "logits", "token_loss", "mean_loss");
            assertThat(plain.keySet()).noneMatch(name -> name.startsWith("grad."));
            Map<String, HostTensor> lora = Trace.run(model, AdapterStack.of(adapter.modules()), good, Trace.Gradients.LORA);
            assertThat(lora.keySet().stream().filter(name -> name.startsWith("grad.")))
                .as("a frozen base has no gradients").hasSize(2 * adapter.modules().size()).allMatch(name -> name.contains(".lora_"));
        }
    }
}
