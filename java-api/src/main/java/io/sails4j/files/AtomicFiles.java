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
import java.nio.file.AccessDeniedException;
import java.nio.file.DirectoryStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
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

    /** Writes {@code target}, replacing it if it exists: of a symbolic link the file that it names. */
    public static void write(Path target, FileWriter writer) {
        Path absolute = file(target);
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

    /** Where a file is written that is named so. A device or a pipe would be replaced by a file, and is refused. */
    private static Path file(Path target) {
        if (Files.isDirectory(target)) {
            throw new InputException(target + " is a directory, expected the name of a file");
        }
        if (Files.exists(target) && !Files.isRegularFile(target)) {
            throw new InputException(target + " is " + ForeignFile.kind(target) + " and not a regular file, and would be replaced by one;"
                + " name a file");
        }
        Path absolute = target.toAbsolutePath();
        try {
            return Files.exists(target) ? absolute.toRealPath() : Files.isSymbolicLink(absolute)
                ? absolute.resolveSibling(Files.readSymbolicLink(absolute)) : absolute;
        } catch (IOException e) {
            throw new InputException(target + " cannot be written: " + reason(e) + "; choose another output", e);
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
        requireVacant(target);
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

    /**
     * An error unless {@code target} is not there, or an empty directory that can be replaced, and can be written: asked before long work,
     * not after it. What a directory needs is tried: one is made beside it, renamed and removed.
     *
     * @throws InputException where something is there already, or the place cannot be written
     */
    public static void requireFresh(Path target) {
        requireVacant(target);
        Path absolute = target.toAbsolutePath().normalize();
        requireWritable(target, temporary -> {
            Files.createDirectory(temporary);
            Path renamed = temporary.resolveSibling(temporary.getFileName() + "-renamed");
            try {
                Files.move(temporary, renamed, StandardCopyOption.ATOMIC_MOVE);
                if (Files.exists(absolute)) {
                    // An empty directory makes room for the result: a mount point or another user's in a shared directory cannot.
                    Files.move(absolute, temporary, StandardCopyOption.ATOMIC_MOVE);
                    Files.move(temporary, absolute, StandardCopyOption.ATOMIC_MOVE);
                }
            } finally {
                Files.deleteIfExists(renamed);
            }
        });
    }

    /** An error unless {@code target} is not there, or an empty directory that can be replaced; nothing is written. */
    public static void requireVacant(Path target) {
        Path absolute = target.toAbsolutePath().normalize();
        if (absolute.getParent() == null || Path.of("").toAbsolutePath().startsWith(absolute)) {
            throw new InputException(target + " is the directory that this runs in, or one above it; name one that is not there yet");
        }
        if (Files.isSymbolicLink(target)) {
            // The result would take the link's place, and what is written beside it until then would lie somewhere else.
            throw new InputException(target + " is a symbolic link; name the directory that it leads to, or one that is not there yet");
        }
        if (Files.exists(target, LinkOption.NOFOLLOW_LINKS)) {
            requireEmptyDirectory(target);
        }
    }

    /** As {@link #requireFresh} for a file, which may be there already: then it is replaced. */
    public static void requireWritableFile(Path target) {
        Path file = file(target);
        requireWritable(file, Files::createFile);
    }

    private static void requireEmptyDirectory(Path target) {
        if (!Files.isDirectory(target)) {
            throw new InputException(target + " exists already; choose another output directory or remove it");
        }
        try (Stream<Path> entries = Files.list(target)) {
            if (entries.findAny().isPresent()) {
                throw new InputException(target + " exists already; choose another output directory or remove it");
            }
        } catch (IOException e) {
            throw new InputException(target + " cannot be read: " + reason(e) + "; choose another output directory", e);
        }
    }

    /** @param attempt makes something under a name beside the target, which is removed again */
    private static void requireWritable(Path target, DirectoryWriter attempt) {
        Path absolute = target.toAbsolutePath().normalize();
        Path name = absolute.getFileName();
        if (name == null) {
            throw new InputException(target + " has no name, expected that of a new file or directory");
        }
        List<Path> made = new ArrayList<>();
        try {
            try {
                for (Path p = absolute.getParent(); p != null && Files.notExists(p); p = p.getParent()) {
                    made.add(p);
                }
                Files.createDirectories(Objects.requireNonNull(absolute.getParent()));
                Path temporary = temporaryName(absolute);
                try {
                    attempt.write(temporary);
                } finally {
                    Files.deleteIfExists(temporary);
                }
            } finally {
                for (Path p : made) {
                    Files.deleteIfExists(p);
                }
            }
        } catch (IOException e) {
            throw new InputException(target + " cannot be written: " + reason(e) + "; choose another output", e);
        }
    }

    private static String reason(IOException e) {
        return switch (e) {
            case AccessDeniedException denied -> "there is no permission for " + denied.getFile();
            case FileSystemException failed -> (failed.getReason() == null ? failed.getClass().getSimpleName() : failed.getReason()) + " ("
                + failed.getFile() + ")";
            default -> String.valueOf(e.getMessage());
        };
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
