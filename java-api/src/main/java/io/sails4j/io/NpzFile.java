package io.sails4j.io;

import io.sails4j.InputException;
import io.sails4j.files.ForeignFile;
import io.sails4j.tensor.HostTensor;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Set;
import java.util.zip.DataFormatException;
import java.util.zip.Inflater;

/**
 * A NumPy {@code .npz} archive (a zip of {@code .npy} arrays), memory-mapped. Arrays stored uncompressed are views of the file;
 * compressed ones are inflated when asked for, never to more than they declare. The central directory is read here, because
 * java.util.zip does not tell where an entry's bytes lie (PKWARE APPNOTE.TXT 4.3.7, 4.3.12, 4.5.3).
 */
public final class NpzFile implements AutoCloseable {
    private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort I16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final int END_BYTES = 22;
    private static final int STORED = 0;
    private static final int DEFLATED = 8;
    /** Deflate reaches 1032:1 on zeros; weights compress to a few percent less. */
    private static final long MAX_RATIO = 200;
    private static final long RATIO_FREE_BYTES = 64L << 20;

    private final Path path;
    private final MappedFile file;
    private final MemorySegment bytes;
    private final Map<String, Entry> entries = new LinkedHashMap<>();

    private record Entry(int method, long dataOffset, long compressed, long uncompressed) {
    }

    private NpzFile(Path path, MappedFile file) {
        this.path = path;
        this.file = file;
        this.bytes = file.bytes();
        readDirectory();
    }

    /**
     * Opens an archive and reads the headers of its arrays.
     *
     * @throws InputException where it is no npz file, or a damaged one
     */
    public static NpzFile open(Path path) {
        MappedFile file = MappedFile.open(path);
        try {
            return new NpzFile(path, file);
        } catch (IndexOutOfBoundsException e) {
            file.close();
            throw new InputException(path + " is a damaged zip archive: an offset points outside the file", e);
        } catch (InputException e) {
            file.close();
            throw ForeignFile.explained(path, e);
        } catch (RuntimeException e) {
            file.close();
            throw e;
        }
    }

    /** Array names, without {@code .npy}. */
    public Set<String> names() {
        return Collections.unmodifiableSet(entries.keySet());
    }

    /** Whether an array is called so. */
    public boolean contains(String name) {
        return entries.containsKey(name);
    }

    /** The file. */
    public Path path() {
        return path;
    }

    /** One array: a view of the mapped file where it is stored uncompressed. Valid until this file is closed. */
    public HostTensor array(String name) {
        Entry entry = entries.get(name);
        if (entry == null) {
            throw new InputException(path + " has no array '" + name + "'; it has " + String.join(", ", entries.keySet()));
        }
        MemorySegment raw = bytes.asSlice(entry.dataOffset, entry.compressed);
        MemorySegment npy = entry.method == STORED ? raw : inflate(name, raw, entry.uncompressed);
        return NpyHeader.parse(path + ": array '" + name + "'", npy);
    }

    private void readDirectory() {
        long end = findEnd();
        long count = bytes.get(I16, end + 10) & 0xffff;
        long offset = bytes.get(I32, end + 16) & 0xffffffffL;
        if ((offset == 0xffffffffL || count == 0xffff) && end >= 20 && bytes.get(I32, end - 20) == 0x07064b50) {
            long end64 = bytes.get(I64, end - 20 + 8);
            requireSignature(end64, 0x06064b50, "zip64 end of the directory");
            count = bytes.get(I64, end64 + 32);
            offset = bytes.get(I64, end64 + 48);
        }
        if (count < 0 || count > 1_000_000) {
            throw new InputException(path + " is a damaged zip archive: it claims " + count + " entries");
        }
        for (long i = 0; i < count; i++) {
            offset = readEntry(offset);
        }
    }

    private long findEnd() {
        long last = bytes.byteSize() - END_BYTES;
        for (long at = last; at >= Math.max(0, last - 0xffff); at--) {
            if (bytes.get(I32, at) == 0x06054b50) {
                return at;
            }
        }
        if (bytes.byteSize() >= 4 && bytes.get(I32, 0) == 0x04034b50) {
            throw ForeignFile.cutOff(path, "it begins as an npz file (a zip archive) but has no directory of its arrays at its end");
        }
        throw new InputException(path + " is not an npz file: it is no zip archive");
    }

    private void requireSignature(long at, int signature, String what) {
        if (at < 0 || at > bytes.byteSize() - 4 || bytes.get(I32, at) != signature) {
            throw new InputException(path + " is a damaged zip archive: no " + what + " where it should be");
        }
    }

    /** Reads one central directory record and returns where the next begins. */
    private long readEntry(long at) {
        requireSignature(at, 0x02014b50, "directory entry");
        int flags = bytes.get(I16, at + 8);
        int method = bytes.get(I16, at + 10);
        long compressed = bytes.get(I32, at + 20) & 0xffffffffL;
        long uncompressed = bytes.get(I32, at + 24) & 0xffffffffL;
        int nameLength = bytes.get(I16, at + 28) & 0xffff;
        int extraLength = bytes.get(I16, at + 30) & 0xffff;
        int commentLength = bytes.get(I16, at + 32) & 0xffff;
        long local = bytes.get(I32, at + 42) & 0xffffffffL;
        String name = new String(bytes.asSlice(at + 46, nameLength).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
        for (long extra = at + 46 + nameLength, end = extra + extraLength; extra + 4 <= end;) {
            int size = bytes.get(I16, extra + 2) & 0xffff;
            if (bytes.get(I16, extra) == 1) {
                long next = extra + 4;
                if (uncompressed == 0xffffffffL) {
                    uncompressed = bytes.get(I64, next);
                    next += 8;
                }
                if (compressed == 0xffffffffL) {
                    compressed = bytes.get(I64, next);
                    next += 8;
                }
                if (local == 0xffffffffL) {
                    local = bytes.get(I64, next);
                }
            }
            extra += 4 + size;
        }
        addEntry(name, flags, method, compressed, uncompressed, local);
        return at + 46 + nameLength + extraLength + commentLength;
    }

    private void addEntry(String name, int flags, int method, long compressed, long uncompressed, long local) {
        if ((flags & 1) != 0) {
            throw new InputException(path + ": entry '" + name + "' is encrypted; store it without a password");
        }
        if (method != STORED && method != DEFLATED) {
            throw new InputException(
                path + ": entry '" + name + "' uses compression method " + method + ", expected stored (0) or deflated (8)");
        }
        if (name.contains("..") || name.startsWith("/") || name.contains("\\") || !name.endsWith(".npy")) {
            throw new InputException(path + ": entry '" + name + "' is not the plain name of a .npy array");
        }
        requireSignature(local, 0x04034b50, "local header of entry '" + name + "'");
        long data = local + 30 + (bytes.get(I16, local + 26) & 0xffff) + (bytes.get(I16, local + 28) & 0xffff);
        if (compressed < 0 || uncompressed < 0 || data > bytes.byteSize() || compressed > bytes.byteSize() - data) {
            throw ForeignFile.cutOff(path, "entry '" + name + "' needs " + Long.toUnsignedString(compressed) + " bytes at " + data
                + ", the file has " + bytes.byteSize());
        }
        if (method == STORED && compressed != uncompressed) {
            throw new InputException(
                path + ": entry '" + name + "' is stored, but its sizes differ (" + compressed + " and " + uncompressed + ")");
        }
        if (method == DEFLATED && uncompressed > RATIO_FREE_BYTES && uncompressed / MAX_RATIO > compressed) {
            throw new InputException(path + ": entry '" + name + "' claims " + uncompressed + " bytes from " + compressed
                + ", a zip bomb; arrays of weights compress at most " + MAX_RATIO + " times");
        }
        if (entries.put(name.substring(0, name.length() - 4), new Entry(method, data, compressed, uncompressed)) != null) {
            throw new InputException(path + " has two entries '" + name + "'");
        }
    }

    private MemorySegment inflate(String name, MemorySegment raw, long size) {
        if (size > Integer.MAX_VALUE - 16 || raw.byteSize() > Integer.MAX_VALUE - 16) {
            throw new InputException(path + ": array '" + name + "' is compressed and has " + size
                + " bytes, more than 2 GiB; save it uncompressed (numpy.savez), which also lets it be mapped");
        }
        byte[] out = new byte[(int) size];
        Inflater inflater = new Inflater(true);
        try {
            inflater.setInput(raw.asByteBuffer());
            int done = 0;
            while (done < out.length && !inflater.finished()) {
                int n = inflater.inflate(out, done, out.length - done);
                if (n == 0 && (inflater.needsInput() || inflater.needsDictionary())) {
                    break;
                }
                done += n;
            }
            if (done != out.length || (!inflater.finished() && inflater.inflate(new byte[1]) != 0)) {
                throw new InputException(path + ": array '" + name + "' does not inflate to the " + size + " bytes that it declares");
            }
        } catch (DataFormatException e) {
            throw new InputException(path + ": array '" + name + "' is damaged: " + e.getMessage(), e);
        } finally {
            inflater.end();
        }
        return MemorySegment.ofArray(out);
    }

    @Override
    public void close() {
        file.close();
    }
}
