package io.sails4j.watch;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Locale;
import java.util.zip.CRC32C;

/**
 * Scalars as a TensorBoard event file. Records: length (u64), masked CRC-32C of it, the event, masked CRC-32C of that
 * (tensorflow/tensorflow tensorflow/core/lib/io/record_writer.h); events are protocol buffers (tensorflow/core/util/event.proto,
 * framework/summary.proto).
 */
public final class TensorBoardWriter implements AutoCloseable {
    private static final int MASK_DELTA = 0xa282ead8;

    private final OutputStream out;

    /**
     * A new file in a directory, which is made if it is not there.
     *
     * @param seconds since 1970, part of the file's name
     * @param host part of the file's name
     */
    public TensorBoardWriter(Path directory, long seconds, String host) throws IOException {
        Files.createDirectories(directory);
        Path path = directory.resolve("events.out.tfevents." + String.format(Locale.ROOT, "%010d", seconds) + "."
            + host.replaceAll("[^A-Za-z0-9_.-]", "_"));
        out = Files.newOutputStream(path, StandardOpenOption.CREATE, StandardOpenOption.APPEND);
        ByteArrayOutputStream event = event(seconds, 0);
        bytes(event, 3, "brain.Event:2".getBytes(StandardCharsets.US_ASCII));
        record(event.toByteArray());
    }

    /** One number of one step; visible at once. */
    public void scalar(String tag, long step, double wallSeconds, double value) throws IOException {
        ByteArrayOutputStream entry = new ByteArrayOutputStream();
        bytes(entry, 1, tag.getBytes(StandardCharsets.UTF_8));
        entry.write(2 << 3 | 5);
        entry.writeBytes(little(4).putFloat((float) value).array());
        ByteArrayOutputStream summary = new ByteArrayOutputStream();
        bytes(summary, 1, entry.toByteArray());
        ByteArrayOutputStream event = event(wallSeconds, step);
        bytes(event, 5, summary.toByteArray());
        record(event.toByteArray());
    }

    private static ByteArrayOutputStream event(double wallSeconds, long step) {
        ByteArrayOutputStream event = new ByteArrayOutputStream();
        event.write(1 << 3 | 1);
        event.writeBytes(little(8).putDouble(wallSeconds).array());
        event.write(2 << 3);
        varint(event, step);
        return event;
    }

    private static void bytes(ByteArrayOutputStream out, int field, byte[] value) {
        out.write(field << 3 | 2);
        varint(out, value.length);
        out.writeBytes(value);
    }

    private static void varint(ByteArrayOutputStream out, long value) {
        long rest = value;
        while ((rest & ~0x7fL) != 0) {
            out.write((int) (rest & 0x7f | 0x80));
            rest >>>= 7;
        }
        out.write((int) rest);
    }

    private static ByteBuffer little(int size) {
        return ByteBuffer.allocate(size).order(ByteOrder.LITTLE_ENDIAN);
    }

    private void record(byte[] event) throws IOException {
        byte[] length = little(8).putLong(event.length).array();
        out.write(little(16 + event.length).put(length).putInt(masked(length)).put(event).putInt(masked(event)).array());
        out.flush();
    }

    static int masked(byte[] data) {
        CRC32C crc = new CRC32C();
        crc.update(data);
        int value = (int) crc.getValue();
        return (value >>> 15 | value << 17) + MASK_DELTA;
    }

    @Override
    public void close() throws IOException {
        out.close();
    }
}
