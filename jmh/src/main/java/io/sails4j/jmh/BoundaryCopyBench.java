package io.sails4j.jmh;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.Arrays;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** A Java array that comes into native memory. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class BoundaryCopyBench {
    @Param({"4096", "67108864"})
    public int bytes;

    private Arena arena;
    private byte[] array;
    private MemorySegment heap;
    private MemorySegment staging;
    private MemorySegment destination;

    @Setup
    public void allocate() throws Throwable {
        arena = Arena.ofShared();
        array = new byte[bytes];
        heap = MemorySegment.ofArray(array);
        staging = arena.allocate(bytes, 64);
        destination = arena.allocate(bytes, 64);
        check((byte) 1, this::panama);
        check((byte) 2, this::panamaCritical);
        check((byte) 3, this::jni);
        check((byte) 4, this::javaAlone);
    }

    /** A way to copy. */
    @FunctionalInterface
    private interface Way {
        void copy() throws Throwable;
    }

    private void check(byte mark, Way way) throws Throwable {
        Arrays.fill(array, mark);
        way.copy();
        if (destination.get(ValueLayout.JAVA_BYTE, bytes - 1) != mark || destination.get(ValueLayout.JAVA_BYTE, 0) != mark) {
            throw new IllegalStateException("what is timed does not copy");
        }
    }

    @TearDown
    public void close() {
        arena.close();
    }

    /** An ordinary downcall takes no array, so that it is copied twice. */
    @Benchmark
    public void panama() throws Throwable {
        staging.copyFrom(heap);
        Boundary.COPY.invokeExact(destination, staging, (long) bytes);
    }

    /** The garbage collector waits as long as it takes. */
    @Benchmark
    public void panamaCritical() throws Throwable {
        Boundary.COPY_CRITICAL.invokeExact(destination, heap, (long) bytes);
    }

    @Benchmark
    public void jni() {
        Boundary.copy(destination.address(), array, bytes);
    }

    /** What sails4j does: no native function of its own at all. */
    @Benchmark
    public void javaAlone() {
        destination.copyFrom(heap);
    }
}
