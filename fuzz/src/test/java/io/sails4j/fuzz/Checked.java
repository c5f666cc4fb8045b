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

/**
 * One parser over inputs: it takes them or says {@link InputException}, within a second of its thread's own time, and within a multiple of
 * their size. Time by the clock depends on what else the machine does, so that its limit is far away: it is for those who wait for ever.
 */
final class Checked {
    private static final long CPU_NANOS = 1_000_000_000L;
    private static final long WAITED_NANOS = 30 * CPU_NANOS;
    /** What a parser may allocate: JSON trees and Java's strings take tens of bytes a byte. */
    private static final long BYTES = 64L << 20;
    private static final long BYTES_A_BYTE = 400;
    private static final ThreadMXBean THREADS = (ThreadMXBean) ManagementFactory.getThreadMXBean();

    private final Harness harness;
    private final Parsers parser;
    private final Shape.Maker maker;
    private final Path root;

    Checked(Harness harness) {
        this.harness = harness;
        this.parser = harness.parser();
        try {
            this.root = parser.ofSystem() ? temporary()
                // Files in memory: a call of the system for each of them would take longer than reading them.
                : Jimfs.newFileSystem(Configuration.unix().toBuilder().setAttributeViews("basic").build()).getPath("/work");
            this.maker = harness.shape().maker(parser);
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

    private Path temporary() throws IOException {
        Path directory = Files.createTempDirectory("sails4j-fuzz-");
        // The last that is asked for is deleted first.
        directory.toFile().deleteOnExit();
        parser.in(directory).toFile().deleteOnExit();
        return directory;
    }

    /** @throws AssertionError where the parser breaks its promise */
    void read(byte[] program) {
        byte[] input = maker.make(program);
        // The first call of a path loads and instruments its classes: what is too much must be too much again. To ask for the thread's
        // time takes as long as to read a small file, so that only what took a second by the clock is asked, when it is read again.
        String broken = readOnce(input, false);
        for (int again = 0; broken != null && again < 3; again++) {
            broken = readOnce(input, true);
        }
        if (broken != null) {
            throw new AssertionError(broken);
        }
    }

    /** Reads what a program makes. @throws io.sails4j.InputException where it is refused */
    void take(byte[] program) throws IOException {
        parser.read(root, maker.make(program));
    }

    /**
     * What was too much, null where nothing was.
     *
     * @param exactly whether the thread's own time counts, and not what the clock says
     */
    private @Nullable String readOnce(byte[] input, boolean exactly) {
        long allocated = THREADS.getCurrentThreadAllocatedBytes();
        long cpuBegin = exactly ? THREADS.getCurrentThreadCpuTime() : 0;
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
        long waited = System.nanoTime() - begin;
        long cpu = exactly ? THREADS.getCurrentThreadCpuTime() - cpuBegin : waited;
        long bytes = THREADS.getCurrentThreadAllocatedBytes() - allocated;
        if (cpu > CPU_NANOS || waited > WAITED_NANOS) {
            return harness.label() + " took " + cpu / 1_000_000 + " ms of its thread, " + waited / 1_000_000 + " ms by the clock, for "
                + input.length + " bytes";
        }
        return bytes > BYTES + BYTES_A_BYTE * input.length
            ? harness.label() + " allocated " + bytes + " bytes for " + input.length : null;
    }
}
