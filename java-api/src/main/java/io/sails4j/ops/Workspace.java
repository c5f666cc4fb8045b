package io.sails4j.ops;

import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Scratch memory of the operations: one buffer that grows to the largest need and is then reused. The device works in order, so one
 * is enough; whoever uses it holds its lock until the call is queued.
 */
final class Workspace implements AutoCloseable {
    private static final long GRANULE_BYTES = 1L << 20;

    private final Device device;
    private @Nullable Tensor buffer;
    /** Recorded graphs point into the buffers of their time: while there are any, a buffer that is outgrown stays. */
    private final List<Tensor> outgrown = new ArrayList<>();
    private int graphs;

    Workspace(Device device) {
        this.device = device;
    }

    /** The address of at least this many bytes; invalidates what it returned before. */
    synchronized long atLeast(long bytes) {
        if (bytes == 0) {
            return 0;
        }
        if (buffer == null || buffer.byteSize() < bytes) {
            if (buffer != null) {
                outgrown.add(buffer);
                buffer = null;
            }
            releaseOutgrown();
            buffer = device.allocate(DType.U8, Shape.of(Math.ceilDiv(bytes, GRANULE_BYTES) * GRANULE_BYTES));
        }
        return Addresses.of(buffer);
    }

    synchronized void graphRecorded() {
        graphs++;
    }

    synchronized void graphClosed() {
        graphs--;
        releaseOutgrown();
    }

    private void releaseOutgrown() {
        if (graphs == 0) {
            outgrown.forEach(Tensor::close);
            outgrown.clear();
        }
    }

    @Override
    public synchronized void close() {
        outgrown.forEach(Tensor::close);
        outgrown.clear();
        if (buffer != null) {
            buffer.close();
            buffer = null;
        }
    }
}
