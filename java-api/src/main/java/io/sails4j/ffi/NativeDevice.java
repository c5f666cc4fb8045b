package io.sails4j.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import io.sails4j.NativeException;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;

/**
 * One open handle of a backend library, and the functions of {@code sails.h} on it by sections. Device pointers are {@code long} addresses;
 * shapes, types and contracts are those of the header. A call that fails throws {@link NativeException} with the library's sentence. {@link
 * Binding} writes the subclass that implements the sections.
 *
 * <p>All methods are synchronized on this object, the written ones too: the error text that is fetched belongs to the call that failed, and
 * {@link #close()} waits for a call that is under way. A call after it throws {@link IllegalStateException}; it never reaches the library.
 */
public abstract class NativeDevice implements DeviceFunctions, MemoryFunctions, GraphFunctions, ElementwiseFunctions, MatmulFunctions,
    LinearFunctions, QuantizedFunctions, BlockFunctions, AttentionFunctions, HeadFunctions, SamplingFunctions, DecodingFunctions,
    OptimizerFunctions,
    SaeFunctions {
    private static final int TEXT_BYTES = 16 << 10;
    private static final int STAGING_BYTES = 1 << 20;
    private static final int LIST_BYTES = 4 << 10;

    private final NativeLibrary library;
    private final Arena arena = Arena.ofShared();
    /** Where functions write their result; calls take effect one at a time, so that one place is enough, as it is for lists and texts. */
    private final MemorySegment out = arena.allocate(2 * JAVA_LONG.byteSize(), JAVA_LONG.byteAlignment());
    private final MemorySegment text = arena.allocate(TEXT_BYTES);
    /** Native memory through which Java arrays pass: an ordinary downcall cannot read the heap, and a critical one must not wait. */
    private final MemorySegment staging = arena.allocate(STAGING_BYTES, 64);
    private MemorySegment lists = arena.allocate(LIST_BYTES, JAVA_LONG.byteAlignment());
    private long listed;
    private long handle;
    private long calls;
    private long waits;
    private long allocations;

    NativeDevice(NativeLibrary library) {
        this.library = library;
    }

    /**
     * Opens a device of a library.
     *
     * @param libraryName {@code sails_cpu}, {@code sails_cuda} or {@code sails_emulator}
     * @param ordinal which device, 0 on the CPU
     * @param threads number of threads, 0 = as many as the process may use
     * @param options {@code key=value,...} or empty
     */
    public static NativeDevice open(String libraryName, int ordinal, int threads, String options) {
        return open(NativeLibrary.open(libraryName), ordinal, threads, options);
    }

    static NativeDevice open(NativeLibrary library, int ordinal, int threads, String options) {
        NativeDevice device = library.newDevice();
        try {
            device.open(ordinal, threads, options);
            return device;
        } finally {
            if (!device.isOpen()) {
                device.arena.close();
            }
        }
    }

    private synchronized void open(int ordinal, int threads, String options) {
        try (Arena call = Arena.ofConfined()) {
            int status = deviceOpen(out, ordinal, threads, call.allocateFrom(options), text, TEXT_BYTES);
            if (status != 0) {
                throw new NativeException("sails_device_open", status, text());
            }
            handle = out.get(ADDRESS, 0).address();
        }
    }

    /** The ABI version of a library that no device is open of yet. */
    static int version(NativeLibrary library) {
        NativeDevice device = library.newDevice();
        try {
            int status = device.abiVersion(device.out);
            return status == 0 ? device.outInt() : 0;
        } finally {
            device.arena.close();
        }
    }

    // ---------------------------------------------------------------- what a written method calls, in this order

    /** The handle for a call that begins. */
    final long begin() {
        if (handle == 0) {
            throw new IllegalStateException("the device is closed");
        }
        listed = 0;
        return handle;
    }

    final long out() {
        return out.address();
    }

    final long list(long[] values, long count) {
        long at = list(values.length, count, JAVA_LONG.byteSize());
        MemorySegment.copy(values, 0, lists, JAVA_LONG, at, values.length);
        return lists.address() + at;
    }

    final long list(int[] values, long count) {
        long at = list(values.length, count, JAVA_INT.byteSize());
        MemorySegment.copy(values, 0, lists, JAVA_INT, at, values.length);
        return lists.address() + at;
    }

    final long list(float[] values, long count) {
        long at = list(values.length, count, JAVA_FLOAT.byteSize());
        MemorySegment.copy(values, 0, lists, JAVA_FLOAT, at, values.length);
        return lists.address() + at;
    }

    /**
     * Where in {@link #lists} a host array goes, until the next call begins; what is outgrown stays, as earlier arrays of this call lie
     * there.
     */
    private long list(int length, long count, long elementBytes) {
        if (length != count) {
            throw new IllegalArgumentException("lists of " + count + " and " + length + " tensors");
        }
        long bytes = Math.ceilDiv(length * elementBytes, JAVA_LONG.byteSize()) * JAVA_LONG.byteSize();
        if (listed + bytes > lists.byteSize()) {
            lists = arena.allocate(Math.max(2 * lists.byteSize(), bytes), JAVA_LONG.byteAlignment());
            listed = 0;
        }
        listed += bytes;
        return listed - bytes;
    }

    final void check(int status, String function) {
        calls++;
        if (status != 0) {
            throw failure(status, function);
        }
    }

    private NativeException failure(int status, String function) {
        int told = deviceError(handle, text, TEXT_BYTES);
        return new NativeException(function, status, told == 0 ? text() : "the library gives no reason");
    }

    final int outInt() {
        return out.get(JAVA_INT, 0);
    }

    final long outLong() {
        return out.get(JAVA_LONG, 0);
    }

    // ---------------------------------------------------------------- what takes more than one call, or is counted

    private String text() {
        return text.getString(0, StandardCharsets.UTF_8);
    }

    public final synchronized boolean isOpen() {
        return handle != 0;
    }

    /** The library's file. */
    public final NativeLibrary library() {
        return library;
    }

    /** Closes the handle; a second call does nothing. */
    public final synchronized void close() {
        if (handle == 0) {
            return;
        }
        long open = handle;
        handle = 0;
        arena.close();
        int status = deviceClose(open);
        if (status != 0) {
            throw new NativeException("sails_device_close", status, "the device did not close cleanly");
        }
    }

    /** Whether host memory can be passed as a device pointer. */
    public final boolean hostAccessible() {
        return deviceHostAccessible() != 0;
    }

    /** One JSON object: backend, name, isa, threads, matmul. */
    public final synchronized String describe() {
        deviceDescribe(text, TEXT_BYTES);
        return text();
    }

    /** Bytes allocated now, and at most so far. */
    public final synchronized long[] memory() {
        deviceMemory(out.asSlice(0, JAVA_LONG.byteSize()), out.asSlice(JAVA_LONG.byteSize()));
        return out.toArray(JAVA_LONG);
    }

    /** 64-byte aligned device memory with undefined contents; 0 for 0 bytes. Counted. */
    public final synchronized long allocate(long bytes) {
        allocations++;
        return alloc(bytes);
    }

    /** Waits for all queued work. Counted. */
    public final synchronized void await() {
        waits++;
        synchronize();
    }

    /** Calls of the library so far. */
    public final synchronized long calls() {
        return calls;
    }

    /** Calls so far that waited for the device. */
    public final synchronized long waits() {
        return waits;
    }

    /** Allocations so far. */
    public final synchronized long allocations() {
        return allocations;
    }

    /** Copies a segment, of Java's heap or native, to the device; waits. */
    public final synchronized void upload(long destination, MemorySegment source) {
        if (source.isNative()) {
            upload(destination, source, source.byteSize());
            return;
        }
        for (long done = 0; done < source.byteSize(); done += STAGING_BYTES) {
            long bytes = Math.min(STAGING_BYTES, source.byteSize() - done);
            begin();
            MemorySegment.copy(source, done, staging, 0, bytes);
            upload(destination + done, staging, bytes);
        }
    }

    /** Waits for queued work and copies device memory to a segment, of Java's heap or native. Counted. */
    public final synchronized void download(MemorySegment destination, long source) {
        if (destination.isReadOnly()) {
            throw new IllegalArgumentException("cannot download into a read-only segment");
        }
        waits++;
        if (destination.isNative()) {
            download(destination, source, destination.byteSize());
            return;
        }
        for (long done = 0; done < destination.byteSize(); done += STAGING_BYTES) {
            long bytes = Math.min(STAGING_BYTES, destination.byteSize() - done);
            download(staging, source + done, bytes);
            MemorySegment.copy(staging, 0, destination, done, bytes);
        }
    }
}
