package io.sails4j.subspace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.tensor.HostTensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class SafetySubspaceTest {
    @TempDir
    private Path directory;

    private static SafetySubspace.Layer layer() {
        return new SafetySubspace.Layer(3, 2, new float[] {1, 0, 0, 0.6f, 0, 0.8f}, new int[] {7, 2, 5}, new float[] {3, 2, 1});
    }

    @Test
    void writesAndReadsTheSameBytes() throws IOException {
        SafetySubspace subspace = new SafetySubspace(new TreeMap<>(Map.of(10, layer(), 2, layer())),
            Map.of("top_k", "3", "centre", "true"));
        Path first = directory.resolve("a.safetensors");
        Path second = directory.resolve("b.safetensors");
        subspace.write(first);
        SafetySubspace read = SafetySubspace.read(first);
        read.write(second);
        assertThat(Files.readAllBytes(second)).isEqualTo(Files.readAllBytes(first));
        assertThat(read.layers().keySet()).containsExactly(2, 10);
        assertThat(read.layers().get(2).basis()).isEqualTo(layer().basis());
        assertThat(read.layers().get(10).featureIds()).isEqualTo(layer().featureIds());
        assertThat(read.provenance()).isEqualTo(subspace.provenance());
    }

    @Test
    void theNearestLayer() {
        SafetySubspace.Layer low = layer();
        SafetySubspace.Layer high = layer();
        SafetySubspace subspace = new SafetySubspace(new TreeMap<>(Map.of(2, low, 6, high)), Map.of());
        assertThat(subspace.nearest(0)).isSameAs(low);
        assertThat(subspace.nearest(4)).as("the lower of two").isSameAs(low);
        assertThat(subspace.nearest(5)).isSameAs(high);
        assertThat(subspace.nearest(40)).isSameAs(high);
    }

    private void refused(SequencedMap<String, HostTensor> tensors, String... parts) {
        Path file = directory.resolve("bad.safetensors");
        SafetensorsWriter.write(file, tensors, Map.of());
        assertThatThrownBy(() -> SafetySubspace.read(file)).isInstanceOf(InputException.class).hasMessageContaining("bad.safetensors")
            .hasMessageContainingAll(parts);
    }

    private static SequencedMap<String, HostTensor> tensors() {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        tensors.put("layer.1.basis", HostTensor.ofFloats(layer().basis(), 3, 2));
        tensors.put("layer.1.feature_ids", HostTensor.ofInts(new int[] {7, 2}, 2));
        tensors.put("layer.1.scores", HostTensor.ofFloats(new float[] {2, 1}, 2));
        return tensors;
    }

    private void refusedWith(String name, HostTensor tensor, String... parts) {
        SequencedMap<String, HostTensor> tensors = tensors();
        tensors.put(name, tensor);
        refused(tensors, parts);
    }

    @Test
    void brokenFiles() {
        refusedWith("layer.1.basis", HostTensor.ofFloats(new float[] {1, 1, 0, 0, 0, 0}, 3, 2), "not orthonormal");
        refusedWith("layer.1.basis", HostTensor.ofFloats(new float[] {1, Float.NaN, 0, 0, 0, 0}, 3, 2), "not orthonormal");
        refusedWith("layer.1.basis", HostTensor.ofFloats(new float[6], 2, 3), "1 <= r_s <= d_model");
        refusedWith("layer.1.scores", HostTensor.ofFloats(new float[3], 3), "layer.1.feature_ids is I32 [2]", "F32 [3]");
        refusedWith("layer.1.feature_ids", HostTensor.ofFloats(new float[2], 2), "layer.1.feature_ids is F32 [2]");
        refusedWith("layer.01.basis", HostTensor.ofFloats(layer().basis(), 3, 2), "'layer.01.basis'");
        refusedWith("layer.4.scores", HostTensor.ofFloats(new float[2], 2), "layer.4.basis");
        refused(new LinkedHashMap<>(), "no tensor layer.N.basis");
    }
}
