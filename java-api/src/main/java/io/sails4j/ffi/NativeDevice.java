package io.sails4j.ffi;

import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.nio.charset.StandardCharsets;
import java.util.function.ToIntBiFunction;
import java.util.function.ToIntFunction;
import org.jspecify.annotations.Nullable;

/**
 * One open handle of a backend library, and the operations of {@code sails.h} on it, each of the header's sections a part of its own. Device pointers are
 * {@code long} addresses; shapes, types and contracts are those of the header. A call that fails throws {@link NativeException} with the library's
 * sentence.
 *
 * <p>The methods, those of the parts too, are synchronized on this object: the error text that is fetched belongs to the call that failed, and {@link #close()} waits for a
 * call that is under way. A call after it throws {@link IllegalStateException}; it never reaches the library.
 */
public final class NativeDevice {
    private static final int TEXT_BYTES = 16 << 10;
    private static final int STAGING_BYTES = 1 << 20;

    private final NativeLibrary library;
    private final SailsH api;
    private final Arena arena = Arena.ofShared();
    /** Native memory through which Java arrays pass: an ordinary downcall cannot read the heap, and a critical one must not wait. */
    private final MemorySegment staging = arena.allocate(STAGING_BYTES, 64);
    private final NativeElementwise elementwise;
    private final NativeMatmul matmul;
    private final NativeLayers layers;
    private final NativeLora lora;
    private final NativeDecoding decoding;
    private final NativeOptimizer optimizer;
    private final NativeSae sae;
    private @Nullable MemorySegment handle;
    private long calls;
    private long waits;
    private long allocations;

    private NativeDevice(NativeLibrary library) {
        this.library = library;
        this.api = library.api();
        this.elementwise = new NativeElementwise(this, api.elementwise);
        this.matmul = new NativeMatmul(this, api.matmul);
        this.layers = new NativeLayers(this, api.layers);
        this.lora = new NativeLora(this, api.lora);
        this.decoding = new NativeDecoding(this, api.decoding);
        this.optimizer = new NativeOptimizer(this, api.optimizer);
        this.sae = new NativeSae(this, api.sae);
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
        NativeDevice device = new NativeDevice(NativeLibrary.open(libraryName));
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
            MemorySegment out = call.allocate(ADDRESS);
            MemorySegment error = call.allocate(TEXT_BYTES);
            int status = api.deviceOpen(out, ordinal, threads, call.allocateFrom(options), error, TEXT_BYTES);
            if (status != 0) {
                throw new NativeException("sails_device_open", status, text(error));
            }
            handle = out.get(ADDRESS, 0);
        }
    }

    private MemorySegment handle() {
        if (handle == null) {
            throw new IllegalStateException("the device is closed");
        }
        return handle;
    }

    private void check(String function, int status) {
        calls++;
        if (status == 0) {
            return;
        }
        try (Arena call = Arena.ofConfined()) {
            MemorySegment text = call.allocate(TEXT_BYTES);
            int told = api.deviceError(handle(), text, TEXT_BYTES);
            throw new NativeException(function, status, told == 0 ? text(text) : "the library gives no reason");
        }
    }

    private static String text(MemorySegment segment) {
        return segment.getString(0, StandardCharsets.UTF_8);
    }

    /** Calls a function with the handle. */
    synchronized void run(String function, ToIntFunction<MemorySegment> body) {
        check(function, body.applyAsInt(handle()));
    }

    /** The number that a function writes, called with the handle and the place for it. */
    synchronized long size(String function, ToIntBiFunction<MemorySegment, MemorySegment> body) {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment out = call.allocate(JAVA_LONG);
            check(function, body.applyAsInt(handle(), out));
            return out.get(JAVA_LONG, 0);
        }
    }

    public synchronized boolean isOpen() {
        return handle != null;
    }

    /** The library's file. */
    public NativeLibrary library() {
        return library;
    }

    /** Closes the handle; a second call does nothing. */
    public synchronized void close() {
        if (handle == null) {
            return;
        }
        MemorySegment open = handle;
        handle = null;
        arena.close();
        int status = api.deviceClose(open);
        if (status != 0) {
            throw new NativeException("sails_device_close", status, "the device did not close cleanly");
        }
    }

    /** Whether host memory can be passed as a device pointer. */
    public synchronized boolean hostAccessible() {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment out = call.allocate(JAVA_INT);
            check("sails_device_host_accessible", api.deviceHostAccessible(handle(), out));
            return out.get(JAVA_INT, 0) != 0;
        }
    }

    /** One JSON object: backend, name, isa, threads, matmul. */
    public synchronized String describe() {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment text = call.allocate(TEXT_BYTES);
            check("sails_device_describe", api.deviceDescribe(handle(), text, TEXT_BYTES));
            return text(text);
        }
    }

    /** Bytes allocated now, and at most so far. */
    public synchronized long[] memory() {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment out = call.allocate(JAVA_LONG, 2);
            check("sails_device_memory", api.deviceMemory(handle(), out.asSlice(0, 8), out.asSlice(8, 8)));
            return out.toArray(JAVA_LONG);
        }
    }

    // ---------------------------------------------------------------- memory

    /** 64-byte aligned device memory with undefined contents; 0 for 0 bytes. */
    public synchronized long alloc(long bytes) {
        allocations++;
        try (Arena call = Arena.ofConfined()) {
            MemorySegment out = call.allocate(ADDRESS);
            check("sails_alloc", api.alloc(handle(), out, bytes));
            return out.get(ADDRESS, 0).address();
        }
    }

    /** Calls of the library so far. */
    public synchronized long calls() {
        return calls;
    }

    /** Calls so far that waited for the device. */
    public synchronized long waits() {
        return waits;
    }

    /** Allocations so far. */
    public synchronized long allocations() {
        return allocations;
    }

    public synchronized void free(long pointer) {
        check("sails_free", api.free(handle(), pointer));
    }

    /** Copies a segment, of Java's heap or native, to the device; waits. */
    public synchronized void upload(long destination, MemorySegment source) {
        if (source.isNative()) {
            check("sails_upload", api.upload(handle(), destination, source, source.byteSize()));
            return;
        }
        for (long done = 0; done < source.byteSize(); done += STAGING_BYTES) {
            long bytes = Math.min(STAGING_BYTES, source.byteSize() - done);
            MemorySegment open = handle();
            MemorySegment.copy(source, done, staging, 0, bytes);
            check("sails_upload", api.upload(open, destination + done, staging, bytes));
        }
    }

    /** Waits for queued work and copies device memory to a segment, of Java's heap or native. */
    public synchronized void download(MemorySegment destination, long source) {
        if (destination.isReadOnly()) {
            throw new IllegalArgumentException("cannot download into a read-only segment");
        }
        waits++;
        if (destination.isNative()) {
            check("sails_download", api.download(handle(), destination, source, destination.byteSize()));
            return;
        }
        for (long done = 0; done < destination.byteSize(); done += STAGING_BYTES) {
            long bytes = Math.min(STAGING_BYTES, destination.byteSize() - done);
            check("sails_download", api.download(handle(), staging, source + done, bytes));
            MemorySegment.copy(staging, 0, destination, done, bytes);
        }
    }

    /** Device to device. */
    public synchronized void copy(long destination, long source, long bytes) {
        check("sails_copy", api.copy(handle(), destination, source, bytes));
    }

    public synchronized void fillZero(long destination, long bytes) {
        check("sails_fill_zero", api.fillZero(handle(), destination, bytes));
    }

    /** Waits for all queued work. */
    public synchronized void synchronize() {
        waits++;
        check("sails_synchronize", api.synchronize(handle()));
    }

    /** From here on the operations are recorded and not run, until {@link #graphEnd}. */
    public synchronized void graphBegin() {
        check("sails_graph_begin", api.graphBegin(handle()));
    }

    /** The recorded operations, to be given to {@link #graphLaunch} and at last to {@link #graphClose}. */
    public synchronized long graphEnd() {
        try (Arena call = Arena.ofConfined()) {
            MemorySegment out = call.allocate(ADDRESS);
            check("sails_graph_end", api.graphEnd(handle(), out));
            return out.get(ADDRESS, 0).address();
        }
    }

    public synchronized void graphLaunch(long graph) {
        check("sails_graph_launch", api.graphLaunch(handle(), MemorySegment.ofAddress(graph)));
    }

    public synchronized void graphClose(long graph) {
        check("sails_graph_close", api.graphClose(handle(), MemorySegment.ofAddress(graph)));
    }

    // ---------------------------------------------------------------- operations, by the sections of sails.h

    public NativeElementwise elementwise() {
        return elementwise;
    }

    public NativeMatmul matmul() {
        return matmul;
    }

    public NativeLayers layers() {
        return layers;
    }

    public NativeLora lora() {
        return lora;
    }

    public NativeDecoding decoding() {
        return decoding;
    }

    public NativeOptimizer optimizer() {
        return optimizer;
    }

    public NativeSae sae() {
        return sae;
    }

    static void requireSameLength(long[]... lists) {
        for (long[] list : lists) {
            if (list.length != lists[0].length) {
                throw new IllegalArgumentException("lists of " + lists[0].length + " and " + list.length + " tensors");
            }
        }
    }
}
