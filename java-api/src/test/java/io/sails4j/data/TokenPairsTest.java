package io.sails4j.data;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Pairs that are tokens already. */
class TokenPairsTest {
    @TempDir
    private Path directory;

    private Path file(Consumer<SequencedMap<String, HostTensor>> change) {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        for (String side : List.of("aligned.", "unaligned.")) {
            tensors.put(side + "input_ids", HostTensor.ofInts(new int[] {0, 5, 6, 7, 8, 9}, 2, 3));
            tensors.put(side + "attention_mask", HostTensor.ofInts(new int[] {0, 1, 1, 1, 1, 1}, 2, 3));
            tensors.put(side + "token_mask", HostTensor.ofInts(new int[] {0, 0, 1, 0, 1, 1}, 2, 3));
        }
        change.accept(tensors);
        Path path = directory.resolve("pairs.safetensors");
        SafetensorsWriter.write(path, tensors, Map.of());
        return path;
    }

    @Test
    void paddingIsLeftOut() {
        List<TokenPair> pairs = TokenPairs.read(file(_ -> {}));
        assertThat(pairs).hasSize(2);
        assertThat(pairs.getFirst().aligned().ids()).containsExactly(5, 6);
        assertThat(pairs.getLast().unaligned().ids()).containsExactly(7, 8, 9);
    }

    @Test
    void brokenFiles() {
        refused("aligned.token_mask is I32 [1, 6], expected integers [2, 3]",
            tensors -> tensors.put("aligned.token_mask", HostTensor.ofInts(new int[6], 1, 6)));
        refused("unaligned.attention_mask is F32",
            tensors -> tensors.put("unaligned.attention_mask", HostTensor.ofFloats(new float[6], 2, 3)));
        refused("expected [sequences, length]", tensors -> tensors.put("aligned.input_ids", HostTensor.ofInts(new int[6], 6)));
        refused("aligned.token_mask", tensors -> tensors.remove("aligned.token_mask"));
        refused("2 aligned and 1 unaligned", tensors -> List.of("input_ids", "attention_mask", "token_mask")
            .forEach(name -> tensors.put("unaligned." + name, HostTensor.ofInts(new int[] {1, 1, 1}, 1, 3))));
        refused("unaligned.input_ids holds a number past 32 bits", tensors -> tensors.put("unaligned.input_ids", new HostTensor(DType.I64,
            Shape.of(2, 3), MemorySegment.ofArray(new long[] {1, 1L << 40, 1, 1, 1, 1}))));
    }

    private void refused(String part, Consumer<SequencedMap<String, HostTensor>> change) {
        Path path = file(change);
        assertThatThrownBy(() -> TokenPairs.read(path)).isInstanceOf(InputException.class).hasMessageContaining(part);
    }
}
