package io.sails4j.io;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.files.AtomicFiles;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import java.io.IOException;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.TreeMap;

/** Writes safetensors files. The same tensors and metadata give the same bytes. */
public final class SafetensorsWriter {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final int CHUNK_BYTES = 64 << 20;
    private static final int ALIGNMENT = 64;

    private SafetensorsWriter() {
    }

    /** A tensor before its values are there. */
    public record Layout(DType dtype, Shape shape) {
        /** Bytes of all elements. */
        public long byteSize() {
            return dtype.byteSize(shape);
        }
    }

    /** Takes a tensor's bytes, part after part. */
    @FunctionalInterface
    public interface Sink {
        /** Appends a part, in order. */
        void write(MemorySegment part) throws IOException;
    }

    /** Makes the values of one tensor when its turn has come, so that never more than a part of it need be in memory. */
    @FunctionalInterface
    public interface Values {
        /** Gives all bytes of a tensor to the sink before it returns. */
        void write(String name, Sink sink) throws IOException;
    }

    /**
     * Writes {@code target} atomically.
     *
     * @param tensors written in the order of the map
     * @param metadata written sorted by key, left out if empty
     */
    public static void write(Path target, SequencedMap<String, HostTensor> tensors, Map<String, String> metadata) {
        SequencedMap<String, Layout> layouts = new LinkedHashMap<>();
        tensors.forEach((name, tensor) -> layouts.put(name, new Layout(tensor.dtype(), tensor.shape())));
        write(target, layouts, metadata, (name, sink) -> sink.write(Objects.requireNonNull(tensors.get(name)).data()));
    }

    /** Writes {@code target} atomically, asking {@code values} for one tensor after the other. */
    public static void write(Path target, SequencedMap<String, Layout> layouts, Map<String, String> metadata, Values values) {
        byte[] header = header(layouts, metadata);
        AtomicFiles.write(target, channel -> {
            ByteBuffer start = ByteBuffer.allocate(8 + header.length).order(ByteOrder.LITTLE_ENDIAN);
            start.putLong(header.length).put(header).flip();
            AtomicFiles.writeFully(channel, start);
            for (Map.Entry<String, Layout> entry : layouts.entrySet()) {
                long end = channel.position() + entry.getValue().byteSize();
                values.write(entry.getKey(), part -> writeData(channel, part));
                if (channel.position() != end) {
                    throw new IllegalStateException("'" + entry.getKey() + "' was given " + (channel.position() - end) + " bytes more than "
                        + entry.getValue() + " has");
                }
            }
        });
    }

    private static byte[] header(SequencedMap<String, Layout> layouts, Map<String, String> metadata) {
        ObjectNode root = JSON.createObjectNode();
        if (!metadata.isEmpty()) {
            ObjectNode entries = root.putObject("__metadata__");
            new TreeMap<>(metadata).forEach(entries::put);
        }
        long offset = 0;
        for (Map.Entry<String, Layout> named : layouts.entrySet()) {
            Layout layout = named.getValue();
            ObjectNode entry = root.putObject(named.getKey());
            entry.put("dtype", layout.dtype().name());
            ArrayNode shape = entry.putArray("shape");
            for (long dim : layout.shape().toArray()) {
                shape.add(dim);
            }
            entry.putArray("data_offsets").add(offset).add(offset + layout.byteSize());
            offset += layout.byteSize();
        }
        byte[] json = root.toString().getBytes(StandardCharsets.UTF_8);
        // Padded so that the data begins on a cache line and can be used in place once mapped.
        int padded = (8 + json.length + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT - 8;
        byte[] header = Arrays.copyOf(json, padded);
        Arrays.fill(header, json.length, padded, (byte) ' ');
        return header;
    }

    private static void writeData(FileChannel channel, MemorySegment data) throws IOException {
        // Through native memory: a channel takes heap arrays of bytes only.
        ByteBuffer chunk = data.isNative() ? null : ByteBuffer.allocateDirect((int) Math.min(CHUNK_BYTES, data.byteSize()));
        for (long at = 0; at < data.byteSize(); at += CHUNK_BYTES) {
            MemorySegment part = data.asSlice(at, Math.min(CHUNK_BYTES, data.byteSize() - at));
            if (chunk == null) {
                AtomicFiles.writeFully(channel, part.asByteBuffer());
            } else {
                chunk.clear().limit((int) part.byteSize());
                MemorySegment.ofBuffer(chunk).copyFrom(part);
                AtomicFiles.writeFully(channel, chunk);
            }
        }
    }
}
