package io.sails4j.persistence;

import io.sails4j.InputException;
import io.sails4j.files.AtomicFiles;
import java.io.IOException;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryNotEmptyException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import org.jspecify.annotations.Nullable;

/**
 * An output directory and its {@code .partial}, claimed by one run from before its first step until it is closed: what stands there is of
 * one run. The claim is a lock of the system on {@code OUT.partial/lock}, which ends with the process, and the file tells whose it is.
 */
public final class OutputClaim implements AutoCloseable {
    private final Path partial;
    private final Path file;
    private final FileChannel channel;

    private OutputClaim(Path partial, Path file, FileChannel channel) {
        this.partial = partial;
        this.file = file;
        this.channel = channel;
    }

    /**
     * Claims an output that is not there yet.
     *
     * @throws InputException where it is there, cannot be written, or is another run's
     */
    public static OutputClaim of(Path out) {
        AtomicFiles.requireFresh(out);
        Path partial = partialOf(out);
        Path file = partial.resolve("lock");
        FileChannel channel = null;
        try {
            Files.createDirectories(partial);
            channel = FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
            String holder = text(channel);
            if (!locked(channel)) {
                throw new InputException(out + " is written by another run (" + holder + "); choose another output, or wait for it");
            }
            takeOver(out, file, holder);
            channel.truncate(0);
            channel.write(ByteBuffer.wrap(me().getBytes(StandardCharsets.UTF_8)), 0);
            // Another run may have ended between the first look and the lock.
            AtomicFiles.requireVacant(out);
            return new OutputClaim(partial, file, channel);
        } catch (IOException e) {
            closeQuietly(channel);
            throw new InputException(partial + " cannot be written: " + e + "; choose another output directory", e);
        } catch (RuntimeException e) {
            closeQuietly(channel);
            throw e;
        }
    }

    /** Where a run keeps its state until {@code out} is complete. */
    public static Path partialOf(Path out) {
        Path absolute = out.toAbsolutePath().normalize();
        return absolute.resolveSibling(absolute.getFileName() + ".partial");
    }

    private static boolean locked(FileChannel channel) throws IOException {
        try {
            return channel.tryLock() != null;
        } catch (OverlappingFileLockException e) {
            return false;
        }
    }

    /** What a run left behind that did not end by itself. The lock of another host may not be seen here, so it is not taken over. */
    private static void takeOver(Path out, Path file, String holder) {
        if (holder.isEmpty()) {
            return;
        }
        if (!holder.contains(" on " + host())) {
            throw new InputException(
                out + " may be written by a run on another host (" + holder + "); if that one is gone, remove " + file);
        }
        Log.info("the run that wrote " + out + " before (" + holder + ") is gone; its claim is taken over");
    }

    private static String me() {
        return "process " + ProcessHandle.current().pid() + " on " + host() + ", since " + Instant.now().truncatedTo(ChronoUnit.SECONDS);
    }

    private static String host() {
        try {
            return InetAddress.getLocalHost().getHostName();
        } catch (UnknownHostException e) {
            return "this host";
        }
    }

    private static String text(FileChannel channel) throws IOException {
        ByteBuffer bytes = ByteBuffer.allocate(500);
        channel.read(bytes, 0);
        return new String(bytes.array(), 0, bytes.position(), StandardCharsets.UTF_8).strip();
    }

    private static void closeQuietly(@Nullable FileChannel channel) {
        try {
            if (channel != null) {
                channel.close();
            }
        } catch (IOException e) {
            Log.warning("a lock cannot be closed: " + e.getMessage());
        }
    }

    /** Gives the output back; a state that is worth going on from stays. */
    @Override
    public void close() {
        try {
            Files.deleteIfExists(file);
            Files.deleteIfExists(partial);
        } catch (DirectoryNotEmptyException | NoSuchFileException e) {
            // A checkpoint stands there, or the run has removed all of it.
        } catch (IOException e) {
            Log.warning(file + " cannot be removed: " + e.getMessage());
        } finally {
            closeQuietly(channel);
        }
    }
}
