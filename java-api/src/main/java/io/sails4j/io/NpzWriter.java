package io.sails4j.io;

import io.sails4j.files.AtomicFiles;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.LocalDateTime;
import java.util.Arrays;
import java.util.Map;
import java.util.SequencedMap;
import java.util.stream.Collectors;
import java.util.zip.CRC32;
import java.util.zip.ZipEntry;
import java.util.zip.ZipOutputStream;

/** Writes small {@code .npz} archives, stored uncompressed as numpy.savez does. The same arrays give the same bytes. */
public final class NpzWriter {
    private static final int ALIGNMENT = 64;

    private NpzWriter() {
    }

    /** Writes F32 arrays, atomically. Everything together must stay below 2 GiB. */
    public static void write(Path target, SequencedMap<String, HostTensor> arrays) {
        ByteArrayOutputStream bytes = new ByteArrayOutputStream();
        try (ZipOutputStream zip = new ZipOutputStream(bytes)) {
            for (Map.Entry<String, HostTensor> named : arrays.entrySet()) {
                byte[] npy = npy(named.getValue());
                CRC32 crc = new CRC32();
                crc.update(npy);
                ZipEntry entry = new ZipEntry(named.getKey() + ".npy");
                entry.setMethod(ZipEntry.STORED);
                entry.setSize(npy.length);
                entry.setCrc(crc.getValue());
                entry.setTimeLocal(LocalDateTime.of(1980, 1, 1, 0, 0));
                zip.putNextEntry(entry);
                zip.write(npy);
                zip.closeEntry();
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        AtomicFiles.write(target, channel -> AtomicFiles.writeFully(channel, ByteBuffer.wrap(bytes.toByteArray())));
    }

    private static byte[] npy(HostTensor array) {
        if (array.dtype() != DType.F32) {
            throw new IllegalArgumentException("npz arrays are written in F32, got " + array.dtype());
        }
        String dims = Arrays.stream(array.shape().toArray()).mapToObj(Long::toString).collect(Collectors.joining(", "));
        String header = "{'descr': '<f4', 'fortran_order': False, 'shape': (" + dims + (array.shape().rank() == 1 ? ",)" : ")") + ", }";
        int padded = (10 + header.length() + 1 + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
        byte[] data = array.data().toArray(ValueLayout.JAVA_BYTE);
        byte[] out = Arrays.copyOf(new byte[] {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y', 1, 0}, padded + data.length);
        out[8] = (byte) (padded - 10);
        out[9] = (byte) (padded - 10 >> 8);
        byte[] text = header.getBytes(StandardCharsets.US_ASCII);
        Arrays.fill(out, 10, padded, (byte) ' ');
        System.arraycopy(text, 0, out, 10, text.length);
        out[padded - 1] = '\n';
        System.arraycopy(data, 0, out, padded, data.length);
        return out;
    }
}
