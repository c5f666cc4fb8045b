package io.sails4j.fuzz;

import com.sun.management.ThreadMXBean;
import io.sails4j.InputException;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;

/** One parser over inputs: it takes them or says {@link InputException}, within a second, and within a multiple of their size. */
final class Checked {
    private static final long NANOS = 1_000_000_000L;
    /** What a parser may allocate: JSON trees and Java's strings take tens of bytes a byte. */
    private static final long BYTES = 64L << 20;
    private static final long BYTES_A_BYTE = 400;
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private final Parsers parser;
    private final Path root;
    /** The first calls load classes and compile. */
    private int calls;

    Checked(Parsers parser) {
        try {
            Path memory = Path.of("/dev/shm");
            this.root = Files.isWritable(memory) ? Files.createTempDirectory(memory, "sails4j-fuzz-")
                : Files.createTempDirectory("sails4j-fuzz-");
            parser.prepare(root);
        } catch (IOException e) {
            throw new UncheckedIOException(e);
        }
        this.parser = parser;
    }

    /** @throws AssertionError where the parser breaks its promise */
    void read(byte[] input) {
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
        if (++calls > 20) {
            long nanos = System.nanoTime() - begin;
            long bytes = THREADS.getCurrentThreadAllocatedBytes() - allocated;
            if (nanos > NANOS) {
                throw new AssertionError(parser.label() + " took " + nanos / 1_000_000 + " ms for " + input.length + " bytes");
            }
            if (bytes > BYTES + BYTES_A_BYTE * input.length) {
                throw new AssertionError(parser.label() + " allocated " + bytes + " bytes for " + input.length);
            }
        }
    }
}
