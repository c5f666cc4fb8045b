package io.sails4j.data;

import io.sails4j.InputException;
import java.io.BufferedInputStream;
import java.io.FilterInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.zip.GZIPInputStream;

/**
 * What a gzip file holds, as long as it is no bomb: data that people wrote is not two hundred times smaller when it is packed. Zeros may
 * stand behind it, as tapes and blocks leave them; anything else is an error.
 */
final class BoundedGzip extends FilterInputStream {
    private static final long FREE_BYTES = 64L << 20;
    private static final long MOST_TIMES = 200;

    private final Path path;
    private final Counted packed;
    private final Members members;
    private long unpacked;

    private BoundedGzip(Path path, Counted packed, Members members) {
        super(members);
        this.path = path;
        this.packed = packed;
        this.members = members;
    }

    static BoundedGzip open(Path path, InputStream packed, int buffer) throws IOException {
        Counted counted = new Counted(packed);
        return new BoundedGzip(path, counted, new Members(counted, buffer));
    }

    /** Java's reader of one gzip file behind another: it ends at what is none, and does not say so. */
    private static final class Members extends GZIPInputStream {
        /** CRC and length behind the data (RFC 1952, section 2.3.1). */
        private static final int TRAILER = 8;

        private final Counted packed;
        private long filledTo;

        private Members(Counted packed, int buffer) throws IOException {
            super(packed, buffer);
            this.packed = packed;
        }

        @Override
        protected void fill() throws IOException {
            super.fill();
            filledTo = packed.bytes;
        }

        /** Where the last member ends in the file, once all is read. */
        private long end() {
            return filledTo - inf.getRemaining() + TRAILER;
        }
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
        count(value < 0 ? -1 : 1);
        return value;
    }

    @Override
    public int read(byte[] to, int offset, int length) throws IOException {
        int n = super.read(to, offset, length);
        count(n);
        return n;
    }

    private void requireNothingBehind() throws IOException {
        long end = members.end();
        try (InputStream rest = new BufferedInputStream(Files.newInputStream(path))) {
            rest.skipNBytes(end);
            for (int value = rest.read(); value >= 0; value = rest.read()) {
                if (value != 0) {
                    throw new InputException(path + " has " + (Files.size(path) - end) + " bytes behind its gzip data, which ends at byte "
                        + end + ", that are no gzip; it is damaged, or something was appended to it; copy or download it again");
                }
            }
        }
    }

    private void count(int n) throws IOException {
        if (n < 0) {
            requireNothingBehind();
        }
        unpacked += Math.max(0, n);
        if (unpacked > FREE_BYTES && unpacked > MOST_TIMES * packed.bytes) {
            throw new InputException(path + " unpacks to more than " + MOST_TIMES + " times its size after " + (FREE_BYTES >> 20)
                + " MiB, expected data; if it is right, unpack it with gunzip first");
        }
    }
}
