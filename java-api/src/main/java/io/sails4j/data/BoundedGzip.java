package io.sails4j.data;

import io.sails4j.InputException;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;

/** What a gzip file holds, as long as it is no bomb: data that people wrote is not two hundred times smaller when it is packed. */
final class BoundedGzip extends FilterInputStream {
    private static final long FREE_BYTES = 64L << 20;
    private static final long MOST_TIMES = 200;

    private final Path path;
    private final Counted packed;
    private long unpacked;

    private BoundedGzip(Path path, Counted packed, int buffer) throws IOException {
        super(new GZIPInputStream(packed, buffer));
        this.path = path;
        this.packed = packed;
    }

    static BoundedGzip open(Path path, InputStream packed, int buffer) throws IOException {
        return new BoundedGzip(path, new Counted(packed), buffer);
    }

    /** Bytes that were read. */
    private static final class Counted extends FilterInputStream {
        private long bytes;

        private Counted(InputStream in) {
            super(in);
        }

        @Override
        public int read() throws IOException {
            int value = super.read();
            bytes += value < 0 ? 0 : 1;
            return value;
        }

        @Override
        public int read(byte[] to, int offset, int length) throws IOException {
            int n = super.read(to, offset, length);
            bytes += Math.max(0, n);
            return n;
        }
    }

    @Override
    public int read() throws IOException {
        int value = super.read();
        count(value < 0 ? 0 : 1);
        return value;
    }

    @Override
    public int read(byte[] to, int offset, int length) throws IOException {
        int n = super.read(to, offset, length);
        count(n);
        return n;
    }

    private void count(int n) {
        unpacked += Math.max(0, n);
        if (unpacked > FREE_BYTES && unpacked > MOST_TIMES * packed.bytes) {
            throw new InputException(path + " unpacks to more than " + MOST_TIMES + " times its size after " + (FREE_BYTES >> 20)
                + " MiB, expected data; if it is right, unpack it with gunzip first");
        }
    }
}
