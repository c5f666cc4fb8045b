package io.sails4j.hub;

import io.sails4j.http.HttpAnswers;
import io.sails4j.http.Patience;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.URI;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.LongConsumer;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Brings one blob into the cache: into {@code ETAG.incomplete}, from where an earlier try ended, and to {@code ETAG} when its content is
 * what the ETag says.
 */
final class BlobFetch {
    private static final int CHUNK_BYTES = 1 << 20;
    private static final Pattern RANGE = Pattern.compile("bytes ([0-9]{1,18})-[0-9]{1,18}/([0-9]{1,18}|\\*)");

    private final HubClient client;
    private final Patience patience;
    private final HubListener listener;
    private final RemoteFile file;
    private final Path blob;
    private final Path partial;
    private final LongConsumer progress;
    /** Whether the file consists of what several answers sent, which may not belong together. */
    private boolean resumed;
    private long downloaded;

    /** @param progress hears how many bytes of the file are there */
    BlobFetch(HubClient client, Patience patience, HubListener listener, RemoteFile file, Path blobs, LongConsumer progress) {
        this.client = client;
        this.patience = patience;
        this.listener = listener;
        this.file = file;
        this.blob = blobs.resolve(file.etag());
        this.partial = blobs.resolve(file.etag() + ".incomplete");
        this.progress = progress;
    }

    /** @return bytes that came over the network */
    long run() {
        try {
            resumed = Files.exists(partial) && Files.size(partial) > 0;
            int failures = 0;
            long furthest = length();
            while (true) {
                boolean ended = isWhole() || transfer();
                if (ended && isIntact()) {
                    Files.move(partial, blob, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
                    return downloaded;
                }
                // A server that sends the same part again and again does not get on.
                failures = length() > furthest && !ended ? 0 : failures + 1;
                furthest = Math.max(furthest, length());
                if (failures >= patience.tries()) {
                    throw HubAnswers.failed(file.name() + ": the server ended the transfer " + failures + " times without a byte more, at "
                        + length() + " of " + announced() + " bytes; running this again goes on from there");
                }
                client.pause(Math.max(0, failures - 1), Duration.ZERO,
                    file.name() + " ended at " + length() + " of " + announced() + " bytes");
            }
        } catch (UncheckedIOException e) {
            throw e;
        } catch (IOException e) {
            throw HubAnswers.failed("cannot write " + partial + ": " + HttpAnswers.reason(e), e);
        }
    }

    private String announced() {
        return file.size() < 0 ? "an unknown number of" : String.valueOf(file.size());
    }

    private long length() throws IOException {
        return Files.exists(partial) ? Files.size(partial) : 0;
    }

    private boolean isWhole() throws IOException {
        return file.size() >= 0 && length() == file.size() && Files.exists(partial);
    }

    /** One request and its body. Whether the file is at its end now. */
    private boolean transfer() throws IOException {
        long have = length();
        if (file.size() >= 0 && have > file.size()) {
            restart("is longer than the file");
            have = 0;
        }
        HttpResponse<InputStream> answer = client.get(file.address(), have, file.name());
        try (InputStream body = answer.body()) {
            if (answer.statusCode() == 416) {
                restart("cannot be continued");
                return false;
            }
            if (have > 0 && !continues(answer, have)) {
                restart("is not continued by the server");
                have = 0;
                if (answer.statusCode() == 206) {
                    return false;
                }
            }
            resumed |= have > 0;
            try (FileChannel out = FileChannel.open(partial, StandardOpenOption.CREATE, StandardOpenOption.WRITE)) {
                out.position(have);
                boolean ended = copy(body, out, have);
                out.force(true);
                return ended && (file.size() < 0 || out.size() == file.size());
            }
        }
    }

    /** Whether the answer is the rest from the byte that was asked for, of a file of the size that was announced. */
    private boolean continues(HttpResponse<?> answer, long have) {
        Matcher range = RANGE.matcher(answer.headers().firstValue("content-range").orElse(""));
        return answer.statusCode() == 206 && range.matches() && Long.parseLong(range.group(1)) == have
            && (range.group(2).equals("*") || file.size() < 0 || Long.parseLong(range.group(2)) == file.size());
    }

    private void restart(String why) throws IOException {
        if (resumed) {
            listener.note(partial + " " + why + "; " + file.name() + " is fetched from its beginning");
        }
        resumed = false;
        Files.deleteIfExists(partial);
    }

    /** Whether the body ended by itself. */
    private boolean copy(InputStream body, FileChannel out, long have) throws IOException {
        byte[] buffer = new byte[CHUNK_BYTES];
        long at = have;
        try (Watch watch = new Watch(body, patience.stall())) {
            while (true) {
                int n;
                try {
                    n = body.read(buffer);
                } catch (IOException e) {
                    // The next request goes on from here.
                    return false;
                }
                if (n < 0) {
                    return !watch.fired();
                }
                if (file.size() >= 0 && at + n > file.size()) {
                    out.close();
                    Files.deleteIfExists(partial);
                    throw HubAnswers
                        .failed(file.name() + ": the server sends more than the " + file.size() + " bytes that it announced; what"
                            + " came is removed");
                }
                write(out, ByteBuffer.wrap(buffer, 0, n));
                at += n;
                downloaded += n;
                watch.alive();
                progress.accept(at);
            }
        }
    }

    private void write(FileChannel out, ByteBuffer bytes) {
        try {
            while (bytes.hasRemaining()) {
                out.write(bytes);
            }
        } catch (IOException e) {
            throw HubAnswers.failed("cannot write " + partial + ": " + HttpAnswers.reason(e)
                + "; make room or name another cache with HF_HUB_CACHE, and run this again: it goes on from there", e);
        }
    }

    /** Whether the content is what the ETag says. What is not is removed; it is fetched anew where an old part may be the reason. */
    private boolean isIntact() throws IOException {
        String found = Checksum.like(file.etag(), partial);
        if (found.equals(file.etag())) {
            return true;
        }
        boolean retry = resumed;
        restart("does not belong to what the server sends now");
        if (retry) {
            return false;
        }
        throw HubAnswers.failed(file.name() + ": what came has the checksum " + found + ", the server announced " + file.etag()
            + "; it is removed. A proxy or a mirror (HF_ENDPOINT) may change files");
    }

    /** Closes a body that has brought nothing for a while, which ends its reader's wait. */
    private static final class Watch implements AutoCloseable {
        private final AtomicLong last = new AtomicLong(System.nanoTime());
        private final Thread thread;
        private volatile boolean fired;

        Watch(InputStream body, Duration limit) {
            thread = Thread.ofVirtual().start(() -> {
                try {
                    for (long idle = 0; idle < limit.toNanos(); idle = System.nanoTime() - last.get()) {
                        Thread.sleep(Duration.ofNanos(limit.toNanos() - idle));
                    }
                    fired = true;
                    body.close();
                } catch (InterruptedException e) {
                    // The body has ended.
                    return;
                } catch (IOException e) {
                    throw new UncheckedIOException(e);
                }
            });
        }

        void alive() {
            last.set(System.nanoTime());
        }

        boolean fired() {
            return fired;
        }

        @Override
        public void close() {
            thread.interrupt();
        }
    }

    /**
     * A file as the hub announces it.
     *
     * @param etag SHA-256 of what lies in large file storage, the Git blob's SHA-1 of anything else
     * @param size -1 = not announced
     */
    record RemoteFile(String name, URI address, String etag, long size) {
    }
}
