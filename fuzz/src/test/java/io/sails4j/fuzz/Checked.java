package io.sails4j.fuzz;

import com.google.common.jimfs.Configuration;
import com.google.common.jimfs.Jimfs;
import com.sun.management.ThreadMXBean;
import io.sails4j.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;

/** One parser over inputs: it takes them or says {@link InputException}, within a second, and within a multiple of their size. */
final class Checked {
    private static final long NANOS = 1_000_000_000L;
    /** What a parser may allocate: JSON trees and Java's strings take tens of bytes a byte. */
    private static final long BYTES = 64L << 20;
    private static final long BYTES_A_BYTE = 400;
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private final Parsers parser;
    private final Path root;

    Checked(Parsers parser) {
        this.parser = parser;
        // Files in memory: a call of the system for each of them would take longer than reading them.
        this.root = Jimfs.newFileSystem(Configuration.unix().toBuilder().setAttributeViews("basic").build()).getPath("/work");
        try {
            Path prepared = Files.createTempDirectory("sails4j-fuzz-");
            parser.prepare(prepared);
            try (Stream<Path> files = Files.list(prepared)) {
                for (Path file : files.toList()) {
                    Files.write(root.resolve(file.getFileName().toString()), Files.readAllBytes(file));
                    Files.delete(file);
                }
            }
            Files.delete(prepared);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
    }

    /** @throws AssertionError where the parser breaks its promise */
    void read(byte[] input) {
        // The first call of a path loads and instruments its classes: what is too much must be too much again.
        String broken = readOnce(input);
        for (int again = 0; broken != null && again < 3; again++) {
            broken = readOnce(input);
        }
        if (broken != null) {
            throw new AssertionError(broken);
        }
    }

    /** What was too much, null where nothing was. */
    private @Nullable String readOnce(byte[] input) {
        long allocated = THREADS.getCurrentThreadAllocatedBytes();
        long begin = System.nanoTime();
        try {
            parser.read(root, input);
        } catch (InputException e) {
            if (e.getMessage() == null || e.getMessage().isBlank()) {
                throw new AssertionError("an empty sentence", e);
            }
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        long nanos = System.nanoTime() - begin;
        long bytes = THREADS.getCurrentThreadAllocatedBytes() - allocated;
        if (nanos > NANOS) {
            return parser.label() + " took " + nanos / 1_000_000 + " ms for " + input.length + " bytes";
        }
        return bytes > BYTES + BYTES_A_BYTE * input.length
            ? parser.label() + " allocated " + bytes + " bytes for " + input.length : null;
    }
}
