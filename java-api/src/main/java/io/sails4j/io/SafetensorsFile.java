package io.sails4j.io;

import io.sails4j.InputException;
import io.sails4j.files.ForeignFile;
import io.sails4j.tensor.HostTensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Map;
import java.util.Set;

/**
 * A memory-mapped safetensors file: 8 bytes header length (little endian), a JSON header, the data. The whole header is checked
 * when the file is opened, so that every tensor that is handed out lies inside the file and overlaps no other.
 * Format: huggingface/safetensors, README.md, section Format.
 */
public final class SafetensorsFile implements AutoCloseable {
    /** The reference implementation's limit. */
    static final long MAX_HEADER_BYTES = 100_000_000;
    private static final ValueLayout.OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    private final Path path;
    private final MappedFile file;
    private final SafetensorsHeader header;
    private final MemorySegment data;

    private SafetensorsFile(Path path, MappedFile file) {
        this.path = path;
        this.file = file;
        MemorySegment bytes = file.bytes();
        if (bytes.byteSize() < 8) {
            throw new InputException(path + " is not a safetensors file: it has " + bytes.byteSize()
                + " bytes, expected at least the 8 of the header length");
        }
        long length = bytes.get(I64, 0);
        if (length < 0 || length > MAX_HEADER_BYTES) {
            throw new InputException(path + " is not a safetensors file: its header length is " + Long.toUnsignedString(length)
                + " bytes, more than the " + MAX_HEADER_BYTES + " allowed");
        }
        if (length > bytes.byteSize() - 8) {
            throw ForeignFile.cutOff(path,
                "its header needs " + length + " bytes after the first 8, the file has " + (bytes.byteSize() - 8));
        }
        if (length == 0) {
            throw new InputException(path + " is not a safetensors file: its header length is 0, expected a JSON object");
        }
        data = bytes.asSlice(8 + length);
        header = SafetensorsHeader.parse(path, bytes.asSlice(8, length).toArray(ValueLayout.JAVA_BYTE), data.byteSize());
    }

    /** Maps the file and checks its header. */
    public static SafetensorsFile open(Path path) {
        MappedFile file = MappedFile.open(path);
        try {
            return new SafetensorsFile(path, file);
        } catch (InputException e) {
            file.close();
            throw ForeignFile.explained(path, e);
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    /** The file. */
    public Path path() {
        return path;
    }

    /** The tensors' names in the order of the header. */
    public Set<String> names() {
        return header.tensors().keySet();
    }

    /** Whether a tensor is called so. */
    public boolean contains(String name) {
        return header.tensors().containsKey(name);
    }

    /** The {@code __metadata__} of the header, empty if there is none. */
    public Map<String, String> metadata() {
        return header.metadata();
    }

    /** Bytes of the file. */
    public long byteSize() {
        return file.bytes().byteSize();
    }

    /** A view of one tensor, valid until this file is closed. */
    public HostTensor tensor(String name) {
        SafetensorsHeader.Entry entry = header.tensors().get(name);
        if (entry == null) {
            throw new InputException(path + " has no tensor '" + name + "'; it has " + some(header.tensors().keySet()));
        }
        return new HostTensor(entry.dtype(), entry.shape(), data.asSlice(entry.begin(), entry.end() - entry.begin()));
    }

    private static String some(Set<String> names) {
        String first = String.join(", ", names.stream().limit(5).toList());
        return names.isEmpty() ? "none" : names.size() <= 5 ? first : first + " and " + (names.size() - 5) + " more";
    }

    @Override
    public void close() {
        file.close();
    }
}
