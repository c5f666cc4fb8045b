package io.sails4j.lora;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.files.AtomicFiles;
import io.sails4j.files.JsonFiles;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.io.SafetensorsWriter.Layout;
import io.sails4j.io.SafetensorsWriter.Sink;
import io.sails4j.io.ShardedTensors;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CheckpointCompanions;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import org.jspecify.annotations.Nullable;

/**
 * A checkpoint with adapters folded in, written shard by shard as the original has them. Some rows of one tensor are in memory at a time; a
 * shard in which nothing changes is copied as it is.
 */
final class MergedCheckpoint {
    /** 64 MiB of F32: large enough for matmul and disk, small beside any model that needs streaming. */
    private static final long CHUNK_ELEMENTS = 16L << 20;

    private final ShardedTensors checkpoint;
    private final Map<String, List<LowRankAdapter>> adapters = new HashMap<>();
    private final @Nullable DType dtype;
    private final Engine engine;
    private final MergeListener listener;
    private final long totalBytes;
    private long doneBytes;

    MergedCheckpoint(ShardedTensors checkpoint, AdapterStack stack, @Nullable DType dtype, Engine engine, MergeListener listener) {
        this.checkpoint = checkpoint;
        this.dtype = dtype;
        this.engine = engine;
        this.listener = listener;
        stack.adapters().forEach(adapter -> adapter
            .forEach((module, factors) -> adapters.computeIfAbsent(module.path() + ".weight", name -> new ArrayList<>()).add(factors)));
        totalBytes = checkpoint.names().stream().mapToLong(name -> checkpoint.tensor(name).data().byteSize()).sum();
    }

    void writeInto(Path directory, Path base) throws IOException {
        for (Map.Entry<String, SafetensorsFile> file : checkpoint.files().entrySet()) {
            writeShard(directory.resolve(file.getKey()), file.getValue());
        }
        if (checkpoint.index() != null) {
            writeIndex(directory, checkpoint.index());
        }
        writeConfig(directory, base);
        CheckpointCompanions.copy(base, directory);
    }

    /** Buffers that mean nothing stay as they are. */
    private DType typeOf(String name, HostTensor source) {
        return dtype == null || ModelWeights.isIgnored(name, source) ? source.dtype() : dtype;
    }

    private boolean changes(String name, HostTensor source) {
        return adapters.containsKey(name) || typeOf(name, source) != source.dtype();
    }

    private void writeShard(Path target, SafetensorsFile source) throws IOException {
        SequencedMap<String, Layout> layouts = new LinkedHashMap<>();
        boolean changed = false;
        for (String name : source.names()) {
            HostTensor tensor = source.tensor(name);
            layouts.put(name, new Layout(typeOf(name, tensor), tensor.shape()));
            changed |= changes(name, tensor);
        }
        if (changed) {
            SafetensorsWriter.write(target, layouts, source.metadata(), (name, sink) -> writeTensor(source, name, sink));
            return;
        }
        for (String name : source.names()) {
            writeTensor(source, name, part -> {});
        }
        Files.copy(source.path(), target);
    }

    private void writeTensor(SafetensorsFile file, String name, Sink sink) throws IOException {
        HostTensor source = file.tensor(name);
        if (ModelWeights.isIgnored(name, source)) {
            sink.write(source.data());
            doneBytes += source.data().byteSize();
            listener.progress(doneBytes, totalBytes);
            return;
        }
        String where = file.path() + ": tensor '" + name + "'";
        boolean changed = changes(name, source);
        long n = source.shape().rank() == 0 ? 1 : source.shape().dim(0);
        long rowBytes = n == 0 ? 0 : source.data().byteSize() / n;
        long cols = rowBytes / source.dtype().byteSize();
        long block = Math.max(1, CHUNK_ELEMENTS / Math.max(1, cols));
        for (long from = 0; from < n; from += block) {
            long count = Math.min(block, n - from);
            HostTensor rows = new HostTensor(source.dtype(), Shape.of(count, cols),
                source.data().asSlice(from * rowBytes, count * rowBytes));
            try (Tensor staged = engine.device().upload(rows)) {
                requireFinite(staged, where, "the checkpoint is damaged");
                if (changed) {
                    writeRows(staged, adapters.getOrDefault(name, List.of()), from, typeOf(name, source), where, sink);
                } else {
                    sink.write(rows.data());
                }
            }
            doneBytes += rows.data().byteSize();
            listener.progress(doneBytes, totalBytes);
        }
    }

    private void writeRows(Tensor source, List<LowRankAdapter> folded, long from, DType target, String where, Sink sink)
        throws IOException {
        try (Tensor rows = engine.device().allocate(DType.F32, source.shape());
             Tensor result = engine.device().allocate(target, source.shape());
             Arena arena = Arena.ofConfined()) {
            engine.ops().elementwise().convert(rows, source);
            folded.forEach(adapter -> FoldedRows.add(rows, adapter, from, engine));
            engine.ops().elementwise().convert(result, rows);
            requireFinite(result, where,
                "with the adapters folded in it leaves the range of " + target + "; choose dtype=f32 or smaller weights");
            MemorySegment bytes = arena.allocate(result.byteSize(), 64);
            result.download(bytes);
            sink.write(bytes);
        }
    }

    private void requireFinite(Tensor values, String where, String reason) {
        long bad = engine.ops().elementwise().countNonfinite(values);
        if (bad > 0) {
            throw new InputException(where + " has " + bad + " values that are NaN or infinite: " + reason);
        }
    }

    /** The index as it is; where types change, with its total_size. */
    private void writeIndex(Path directory, Path index) throws IOException {
        Path target = directory.resolve(index.getFileName().toString());
        if (dtype == null) {
            Files.copy(index, target);
            return;
        }
        ObjectNode json = (ObjectNode) JsonFiles.readObject(index).node();
        if (json.path("metadata").has("total_size")) {
            long bytes = checkpoint.names().stream().mapToLong(name -> {
                HostTensor tensor = checkpoint.tensor(name);
                return tensor.shape().numel() * typeOf(name, tensor).byteSize();
            }).sum();
            ((ObjectNode) json.get("metadata")).put("total_size", bytes);
        }
        AtomicFiles.writeJson(target, json);
    }

    /** The configuration as it is; where types change, with the new one in the spelling that is there. */
    private void writeConfig(Path directory, Path base) throws IOException {
        Path config = base.resolve("config.json");
        if (dtype == null) {
            Files.copy(config, directory.resolve("config.json"));
            return;
        }
        ObjectNode json = (ObjectNode) JsonFiles.readObject(config).node();
        String name = dtype == DType.F32 ? "float32" : "bfloat16";
        for (String key : List.of("dtype", "torch_dtype")) {
            if (json.has(key)) {
                json.put(key, name);
            }
        }
        if (!json.has("dtype") && !json.has("torch_dtype")) {
            json.put("torch_dtype", name);
        }
        AtomicFiles.writeJson(directory.resolve("config.json"), json);
    }
}
