package io.sails4j.io;

import io.sails4j.InputException;
import io.sails4j.files.ForeignFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemLoopException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.jspecify.annotations.Nullable;

/** A whole file mapped read-only; of a file system that is not the machine's (an archive, memory), which cannot map, its bytes. */
final class MappedFile implements AutoCloseable {
    private final @Nullable Arena arena;
    private final MemorySegment bytes;

    private MappedFile(@Nullable Arena arena, MemorySegment bytes) {
        this.arena = arena;
        this.bytes = bytes;
    }

    private static MappedFile mapped(Path path) throws IOException {
        Arena arena = Arena.ofShared();
        try (FileChannel channel = FileChannel.open(path, StandardOpenOption.READ)) {
            return new MappedFile(arena, channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena));
        } catch (IOException | RuntimeException e) {
            arena.close();
            throw e;
        }
    }

    static MappedFile open(Path path) {
        try {
            Path real = path.toRealPath();
            ForeignFile.requireRegular(path);
            return path.getFileSystem() == FileSystems.getDefault() ? mapped(real)
                : new MappedFile(null, MemorySegment.ofArray(Files.readAllBytes(real)).asReadOnly());
        } catch (NoSuchFileException e) {
            throw ForeignFile.missing(path, e);
        } catch (FileSystemLoopException e) {
            throw new InputException(path + " is a loop of symbolic links", e);
        } catch (IOException e) {
            String loop = String.valueOf(e.getMessage()).contains("levels of symbolic links") ? "it is a loop of symbolic links"
                : e.toString();
            throw new InputException("cannot read " + path + ": " + loop, e);
        }
    }

    MemorySegment bytes() {
        return bytes;
    }

    @Override
    public void close() {
        if (arena != null && arena.scope().isAlive()) {
            arena.close();
        }
    }
}
