package io.sails4j.io;

import io.sails4j.InputException;
import io.sails4j.files.ForeignFile;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.channels.FileChannel;
import java.nio.file.FileSystemLoopException;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** A whole file mapped read-only. */
final class MappedFile implements AutoCloseable {
    private final Arena arena = Arena.ofShared();
    private final MemorySegment bytes;

    private MappedFile(FileChannel channel) throws IOException {
        bytes = channel.map(FileChannel.MapMode.READ_ONLY, 0, channel.size(), arena);
    }

    static MappedFile open(Path path) {
        try {
            Path real = path.toRealPath();
            ForeignFile.requireRegular(path);
            try (FileChannel channel = FileChannel.open(real, StandardOpenOption.READ)) {
                return new MappedFile(channel);
            }
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
        if (arena.scope().isAlive()) {
            arena.close();
        }
    }
}
