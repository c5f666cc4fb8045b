package io.sails4j.tensor;

import io.sails4j.NativeException;
import io.sails4j.ffi.NativeDevice;
import java.lang.foreign.MemorySegment;
import java.util.Locale;

/**
 * An open compute device: one handle of one backend library. Calls from several threads take effect one at a time.
 * Closing is idempotent; every buffer must be closed before.
 */
public final class Device implements AutoCloseable {
    /** From here on it is asked whether there is room: the question takes as long as some thousand small allocations. */
    private static final long LARGE = 32L << 20;

    private final NativeDevice handle;
    private final boolean usesHostMemory;
    private final boolean hostAccessible;

    private Device(NativeDevice handle, Backend backend) {
        this.handle = handle;
        this.usesHostMemory = backend != Backend.CUDA;
        this.hostAccessible = handle.hostAccessible();
    }

    /**
     * Opens a device.
     *
     * @param backend which library: {@code cpu}, {@code cuda} or {@code emulator}
     * @param threads number of threads, 0 = as many as the process may use
     * @param options backend options, {@code key=value,...}, see {@code sails.h}
     * @throws NativeException where the library cannot be found or opened, or refuses the options
     */
    public static Device open(Backend backend, int threads, String options) {
        return new Device(NativeDevice.open(backend.libraryName(), 0, threads, options), backend);
    }

    /** For this package, and for {@code ops} through its {@code Addresses}. */
    NativeDevice handle() {
        return handle;
    }

    /** Whether {@link #close()} is still to come. */
    public boolean isOpen() {
        return handle.isOpen();
    }

    /** Whether its memory is this machine's. */
    public boolean usesHostMemory() {
        return usesHostMemory;
    }

    /** Whether mapped host memory can serve as device memory without a copy. */
    public boolean hostAccessible() {
        return hostAccessible;
    }

    /** One JSON object: backend, name, isa, threads, matmul. */
    public String describe() {
        return handle.describe();
    }

    /** Bytes of device memory in use. */
    public long allocatedBytes() {
        return handle.memory()[0];
    }

    /** The most bytes of device memory that were in use at once. */
    public long peakBytes() {
        return handle.memory()[1];
    }

    /** Calls of the library so far. */
    public long calls() {
        return handle.calls();
    }

    /** Calls so far that waited for the device. */
    public long waits() {
        return handle.waits();
    }

    /** Allocations so far. */
    public long allocations() {
        return handle.allocations();
    }

    /**
     * A new buffer of its own; contents undefined.
     *
     * @throws NativeException where there is no such room, before anything is taken
     */
    public DeviceBuffer allocateBytes(long bytes) {
        if (usesHostMemory && bytes >= LARGE) {
            long available = HostMemory.availableBytes();
            if (bytes > available) {
                throw new NativeException("sails_alloc", NativeException.OUT_OF_MEMORY, String.format(Locale.ROOT,
                    "%,d MiB are needed at once, and this machine has %,d MiB left; %,d MiB are in use on this device", bytes >> 20,
                    available >> 20, allocatedBytes() >> 20));
            }
        }
        return DeviceBuffer.allocate(this, bytes);
    }

    /** A new tensor that owns its buffer; contents undefined. */
    public Tensor allocate(DType dtype, Shape shape) {
        return Tensor.over(allocateBytes(Tensor.byteSize(dtype, shape)), 0, dtype, shape);
    }

    /** A new tensor of zeros that owns its buffer. */
    public Tensor zeros(DType dtype, Shape shape) {
        Tensor tensor = allocate(dtype, shape);
        tensor.fillZero();
        return tensor;
    }

    /** A new tensor with the same contents. */
    public Tensor upload(HostTensor source) {
        Tensor tensor = allocate(source.dtype(), source.shape());
        tensor.upload(source.data());
        return tensor;
    }

    /** Host memory as a tensor without a copy; only where {@link #hostAccessible()}. The segment must outlive the tensor. */
    public Tensor wrap(HostTensor source) {
        if (!hostAccessible) {
            throw new IllegalStateException("this device cannot read host memory in place; upload the tensor");
        }
        MemorySegment data = source.data();
        return Tensor.over(DeviceBuffer.borrow(this, data), 0, source.dtype(), source.shape());
    }

    /** Waits for all queued work. */
    public void synchronize() {
        handle.await();
    }

    /** Closes the device; a second call does nothing. */
    @Override
    public void close() {
        handle.close();
    }
}
