package io.sails4j.data;

import dev.hardwood.InputFile;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * A file that the Parquet library reads by ranges. Its own kind maps the file, and its threads read ahead: where somebody shortens the file
 * meanwhile, the process ends with SIGBUS. Here that is an exception.
 */
final class ReadFile implements InputFile {
    private final Path path;
    private final AtomicInteger reads = new AtomicInteger();
    private @Nullable FileChannel channel;

    ReadFile(Path path) {
        this.path = path;
    }

    @Override
    public void open() throws IOException {
        if (channel == null) {
            channel = FileChannel.open(path, StandardOpenOption.READ);
        }
    }

    private FileChannel opened() {
        if (channel == null) {
            throw new IllegalStateException(path + " is not open");
        }
        return channel;
    }

    @Override
    public ByteBuffer readRange(long offset, int length) throws IOException {
        if (offset < 0 || length < 0 || offset > length() - length) {
            throw new EOFException("bytes " + offset + " to " + (offset + length) + " are wanted of a file of " + length());
        }
        // Direct, since codecs in native code take no other.
        ByteBuffer bytes = ByteBuffer.allocateDirect(length);
        reads.incrementAndGet();
        try {
            while (bytes.hasRemaining()) {
                if (opened().read(bytes, offset + bytes.position()) < 0) {
                    throw new EOFException("the file has become shorter while it is read");
                }
            }
        } finally {
            reads.decrementAndGet();
        }
        return bytes.flip();
    }

    /** Whether a thread is in a read. */
    boolean isReading() {
        return reads.get() > 0;
    }

    @Override
    public long length() throws IOException {
        return opened().size();
    }

    @Override
    public String name() {
        return path.toString();
    }

    @Override
    public void close() throws IOException {
        if (channel != null) {
            channel.close();
        }
    }
}
