package io.sails4j.io;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.files.AtomicFiles;
import io.sails4j.tensor.HostTensor;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import org.assertj.core.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ShardedTensorsTest {
    @TempDir
    private Path directory;

    private Path shard(String file, String... names) {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        for (String name : names) {
            tensors.put(name, HostTensor.ofFloats(new float[] {1}, 1));
        }
        Path path = directory.resolve(file);
        SafetensorsWriter.write(path, tensors, Map.of());
        return path;
    }

    private Path index(String json) throws Exception {
        return Files.writeString(directory.resolve("model.safetensors.index.json"), json.replace('\'', '"'));
    }

    private void refused(Path where, String... parts) {
        RefusedInput.input(() -> ShardedTensors.open(directory).close(), where, parts);
    }

    @Test
    void shardsOpen() throws Exception {
        shard("a.safetensors", "x");
        shard("b.safetensors", "y", "z");
        index("{'weight_map':{'x':'a.safetensors','y':'b.safetensors','z':'b.safetensors'}}");
        try (ShardedTensors tensors = ShardedTensors.open(directory)) {
            assertThat(tensors.names()).containsExactly("x", "y", "z");
            assertThat(tensors.tensor("z").toFloatArray()).containsExactly(1);
        }
    }

    /** What is there in place of weights is named, with what to do. */
    @Test
    void otherFilesThanWeights() throws Exception {
        Path shard = shard("model-00001-of-00002.safetensors", "x");
        refused(directory, "has model-00001-of-00002.safetensors", "lists the shards");
        Files.delete(shard);
        refused(Files.writeString(directory.resolve("model.gguf"), "GGUF"), "llama.cpp");
        Files.delete(directory.resolve("model.gguf"));
        refused(Files.writeString(directory.resolve("pytorch_model.bin.index.json"), "{}"), "pickles", "save_pretrained");
        refused(Files.writeString(directory.resolve("adapter_model.bin"), "x"), "pickle", "save_pretrained");
    }

    @Test
    void wrongIndexes() throws Exception {
        Path a = shard("a.safetensors", "x");
        refused(index("{'weight_map':{'x':'a.safetensors','y':'b.safetensors'}}"), "b.safetensors", "missing");
        refused(index("{'weight_map':{'x':'../a.safetensors'}}"), "../a.safetensors", "plain file name");
        refused(index("{'weight_map':{'x':'/etc/passwd'}}"), "plain file name");
        refused(index("{'weight_map':{'x':7}}"), "plain file name");
        refused(index("{'weight_map':{'x':'a.safetensors','y':'a.safetensors'}}"), "'y'", "not there");
        refused(index("{'weights':{}}"), "weight_map");
        refused(index("{"), "JSON");
        shard("b.safetensors", "x", "y");
        index("{'weight_map':{'x':'a.safetensors','y':'b.safetensors'}}");
        refused(a, "'x'", "two shards");
        index("{'weight_map':{'y':'b.safetensors'}}");
        refused(directory.resolve("b.safetensors"), "'x'", "does not list");
    }

    @Test
    void nothingToOpen() throws Exception {
        refused(directory, "neither");
        Files.write(directory.resolve("pytorch_model-00001-of-00002.bin"), new byte[3]);
        refused(directory, "pickle", "safetensors");
        Path begun = Files.createDirectories(directory.resolve("begun/.cache/huggingface/download"));
        Files.writeString(begun.resolve("abc.incomplete"), "x");
        RefusedInput.input(() -> ShardedTensors.open(directory.resolve("begun")).close(), directory.resolve("begun"), "abc.incomplete",
            "has not ended");
        RefusedInput.input(() -> ShardedTensors.open(directory.resolve("none")).close(), directory.resolve("none"), "does not exist");
    }

    @Test
    void links() throws Exception {
        Path blob = directory.resolve("blob");
        Files.move(shard("model.safetensors", "x"), blob);
        // As the Hugging Face cache lays its snapshots out.
        Files.createSymbolicLink(directory.resolve("model.safetensors"), Path.of("blob"));
        try (ShardedTensors tensors = ShardedTensors.open(directory)) {
            assertThat(tensors.names()).containsExactly("x");
        }
        Files.delete(directory.resolve("model.safetensors"));
        Files.createSymbolicLink(directory.resolve("model.safetensors"), Path.of("model.safetensors"));
        refused(directory.resolve("model.safetensors"), "symbolic links");
    }

    @Test
    void failedWritesLeaveNothing() throws Exception {
        Path target = directory.resolve("out").resolve("file");
        assertThat(Assertions.catchThrowable(() -> AtomicFiles.write(target, channel -> {
            throw new IOException("disk full");
        }))).isInstanceOf(UncheckedIOException.class).hasMessageContaining("disk full").hasMessageContaining(target.toString());
        assertThat(target.getParent()).isEmptyDirectory();
        // What a killed process left goes with the next write to the same place.
        Files.writeString(target.resolveSibling(".file.sails-tmp-999999999-1"), "half");
        AtomicFiles.writeString(target, "whole");
        assertThat(target.getParent()).isDirectoryNotContaining("glob:**/.file*");
        assertThat(target).hasContent("whole");
    }
}
