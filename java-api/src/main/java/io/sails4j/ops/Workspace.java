package io.sails4j.ops;

import io.sails4j.tensor.Device;
import io.sails4j.tensor.DeviceBuffer;
import org.jspecify.annotations.Nullable;

/**
 * Scratch memory of the operations: one buffer that grows to the largest need and is then reused. The device works in order, so one
 * is enough; whoever uses it holds its lock until the call is queued.
 */
final class Workspace implements AutoCloseable {
    private static final long GRANULE_BYTES = 1L << 20;

    private final Device device;
    private @Nullable DeviceBuffer buffer;

    Workspace(Device device) {
        this.device = device;
    }

    /** The address of at least this many bytes; invalidates what it returned before. */
    synchronized long atLeast(long bytes) {
        if (bytes == 0) {
            return 0;
        }
        if (buffer == null || buffer.byteSize() < bytes) {
            close();
            buffer = device.allocateBytes(Math.ceilDiv(bytes, GRANULE_BYTES) * GRANULE_BYTES);
        }
        return buffer.address();
    }

    @Override
    public synchronized void close() {
        if (buffer != null) {
            buffer.close();
            buffer = null;
        }
    }
}
