package io.sails4j.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.ref.Cleaner;
import java.util.concurrent.atomic.AtomicBoolean;
import org.jspecify.annotations.Nullable;

/** Device memory that is freed by {@link #close()}, or borrowed host memory. */
public final class DeviceBuffer implements AutoCloseable {
    private static final Cleaner CLEANER = Cleaner.create();
    private static final System.Logger LOG = System.getLogger("io.sails4j.tensor");

    private final Device device;
    private final long address;
    private final long byteSize;
    private final @Nullable MemorySegment hostOwner;
    private final Cleaner.@Nullable Cleanable cleanable;
    private final AtomicBoolean closed = new AtomicBoolean();

    private DeviceBuffer(Device device, long address, long byteSize, @Nullable MemorySegment hostOwner) {
        this.device = device;
        this.address = address;
        this.byteSize = byteSize;
        this.hostOwner = hostOwner;
        this.cleanable = hostOwner == null ? CLEANER.register(this, new Release(device, address, byteSize, closed)) : null;
    }

    static DeviceBuffer allocate(Device device, long bytes) {
        return new DeviceBuffer(device, device.handle().allocate(bytes), bytes, null);
    }

    static DeviceBuffer borrow(Device device, MemorySegment host) {
        return new DeviceBuffer(device, host.address(), host.byteSize(), host);
    }

    /** Frees the memory, or, when the owner was lost without {@code close()}, frees it late and says so. */
    private record Release(Device device, long address, long bytes, AtomicBoolean closed) implements Runnable {
        @Override
        public void run() {
            if (!closed.get()) {
                LOG.log(System.Logger.Level.WARNING, "a device buffer of " + bytes + " bytes was never closed");
            }
            if (device.handle().isOpen()) {
                device.handle().free(address);
            }
        }
    }

    /** Where the memory lies. */
    public Device device() {
        return device;
    }

    /** Its bytes. */
    public long byteSize() {
        return byteSize;
    }

    /** The device pointer; an error once closed. */
    long address() {
        if (closed.get()) {
            throw new IllegalStateException("the device buffer is closed");
        }
        if (hostOwner != null && !hostOwner.scope().isAlive()) {
            throw new IllegalStateException("the mapped file behind this tensor is closed");
        }
        return address;
    }

    @Override
    public void close() {
        if (closed.compareAndSet(false, true) && cleanable != null) {
            cleanable.clean();
        }
    }
}
