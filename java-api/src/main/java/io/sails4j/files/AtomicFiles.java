package io.sails4j.files;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.SerializationFeature;
import io.sails4j.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.Objects;
import java.util.stream.Stream;

/**
 * Files and directories that appear whole or not at all: written beside the target, flushed to the disk, renamed. What a killed
 * run left beside a target is removed by the next write to it.
 */
public final class AtomicFiles {
    private static final ObjectMapper PRETTY = new ObjectMapper().enable(SerializationFeature.INDENT_OUTPUT);
    private static final String MARK = ".sails-tmp-";

    private AtomicFiles() {
    }

    /** Fills a file through its channel. */
    @FunctionalInterface
    public interface FileWriter {
        void write(FileChannel channel) throws IOException;
    }

    /** Fills a directory. */
    @FunctionalInterface
    public interface DirectoryWriter {
        void write(Path directory) throws IOException;
    }

    /** Writes {@code target}, replacing it if it exists. */
    public static void write(Path target, FileWriter writer) {
        Path absolute = target.toAbsolutePath();
        try {
            Files.createDirectories(absolute.getParent());
            removeLeftovers(absolute);
            Path temporary = temporaryName(absolute);
            try {
                try (FileChannel channel = FileChannel.open(temporary, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE)) {
                    writer.write(channel);
                    channel.force(true);
                }
                Files.move(temporary, absolute, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
            } finally {
                Files.deleteIfExists(temporary);
            }
            flushDirectory(Objects.requireNonNull(absolute.getParent(), "a file that was written lies in a directory"));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + target + ": " + e, e);
        }
    }

    public static void writeString(Path target, String text) {
        write(target, channel -> writeFully(channel, ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8))));
    }

    /** Writes indented JSON with a newline at its end. */
    public static void writeJson(Path target, JsonNode json) {
        writeString(target, json(json));
    }

    static String json(JsonNode json) {
        try {
            return PRETTY.writeValueAsString(json) + "\n";
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** Writes all of it, however often the channel takes a part. */
    public static void writeFully(FileChannel channel, ByteBuffer bytes) throws IOException {
        while (bytes.hasRemaining()) {
            channel.write(bytes);
        }
    }

    /**
     * Creates the directory {@code target} with what {@code writer} puts there. A target that exists and is not empty is refused, so
     * that no earlier result is lost.
     */
    public static void writeDirectory(Path target, DirectoryWriter writer) {
        requireFresh(target);
        Path absolute = target.toAbsolutePath();
        try {
            Files.createDirectories(absolute.getParent());
            removeLeftovers(absolute);
            Path temporary = temporaryName(absolute);
            try {
                Files.createDirectory(temporary);
                writer.write(temporary);
                flushTree(temporary);
                Files.deleteIfExists(absolute);
                Files.move(temporary, absolute, StandardCopyOption.ATOMIC_MOVE);
            } finally {
                delete(temporary);
            }
            flushDirectory(Objects.requireNonNull(absolute.getParent(), "a file that was written lies in a directory"));
        } catch (IOException e) {
            throw new UncheckedIOException("cannot write " + target + ": " + e, e);
        }
    }

    /** An error if {@code target} exists and is not an empty directory: asked before long work, not after it. */
    public static void requireFresh(Path target) {
        if (Files.notExists(target)) {
            return;
        }
        try (Stream<Path> entries = Files.isDirectory(target) ? Files.list(target) : Stream.of(target)) {
            if (entries.findAny().isPresent()) {
                throw new InputException(target + " exists already; choose another output directory or remove it");
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    private static Path temporaryName(Path target) {
        return target.resolveSibling("." + target.getFileName() + MARK + ProcessHandle.current().pid() + "-"
            + Long.toHexString(System.nanoTime()));
    }

    /** Removes temporaries of this target whose process is gone. */
    private static void removeLeftovers(Path target) throws IOException {
        String prefix = "." + target.getFileName() + MARK;
        try (DirectoryStream<Path> siblings = Files.newDirectoryStream(target.getParent(),
            p -> p.getFileName().toString().startsWith(prefix))) {
            for (Path sibling : siblings) {
                String pid = sibling.getFileName().toString().substring(prefix.length()).split("-", 2)[0];
                if (pid.matches("[0-9]{1,18}") && ProcessHandle.of(Long.parseLong(pid)).isEmpty()) {
                    delete(sibling);
                }
            }
        }
    }

    /** Removes a directory and what is in it, or a file; nothing where there is none. */
    public static void deleteTree(Path root) {
        try {
            delete(root);
        } catch (IOException e) {
            throw new UncheckedIOException("cannot remove " + root + ": " + e, e);
        }
    }

    private static void delete(Path root) throws IOException {
        if (Files.notExists(root)) {
            return;
        }
        try (Stream<Path> paths = Files.walk(root)) {
            for (Path path : paths.sorted(Comparator.reverseOrder()).toList()) {
                Files.deleteIfExists(path);
            }
        }
    }

    private static void flushTree(Path root) throws IOException {
        try (Stream<Path> paths = Files.walk(root)) {
            for (Path path : paths.toList()) {
                if (Files.isRegularFile(path)) {
                    try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
                        channel.force(true);
                    }
                } else {
                    flushDirectory(path);
                }
            }
        }
    }

    private static void flushDirectory(Path directory) throws IOException {
        try (FileChannel channel = FileChannel.open(directory, StandardOpenOption.READ)) {
            channel.force(true);
        }
    }
}
