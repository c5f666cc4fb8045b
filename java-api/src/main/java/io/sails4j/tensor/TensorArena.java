package io.sails4j.tensor;

import java.util.ArrayList;
import java.util.List;

/**
 * Memory for tensors that live and die together: allocation moves a pointer, {@link #reset()} takes everything back and keeps
 * the memory for the next step. A tensor of an arena is invalid after the reset or close that takes it back.
 * Not thread-safe: one arena, one thread.
 */
public final class TensorArena implements AutoCloseable {
    private static final long ALIGNMENT = 64;
    private static final long MIN_CHUNK_BYTES = 1L << 20;

    private final Device device;
    private final List<DeviceBuffer> chunks = new ArrayList<>();
    private int current;
    private long used;
    /** Bytes in use, and the most there ever were. */
    private long live;
    private long highWater;
    private long layout;

    /** An arena that takes nothing until the first allocation. */
    public TensorArena(Device device) {
        this.device = device;
    }

    /** Where the memory lies. */
    public Device device() {
        return device;
    }

    /** A tensor with undefined contents. */
    public Tensor allocate(DType dtype, long... dims) {
        Shape shape = Shape.of(dims);
        long bytes = Math.ceilDiv(Tensor.byteSize(dtype, shape), ALIGNMENT) * ALIGNMENT;
        while (current < chunks.size() && used + bytes > chunks.get(current).byteSize()) {
            current++;
            used = 0;
        }
        if (current == chunks.size()) {
            chunks.add(device.allocateBytes(Math.max(bytes, MIN_CHUNK_BYTES)));
            layout++;
        }
        Tensor tensor = Tensor.over(chunks.get(current), used, dtype, shape);
        used += bytes;
        live += bytes;
        highWater = Math.max(highWater, live);
        return tensor;
    }

    /** Makes room for this many bytes in one piece, while the arena is empty. */
    public void reserve(long bytes) {
        if (live == 0 && reservedBytes() < bytes) {
            highWater = Math.max(highWater, bytes);
            chunks.forEach(DeviceBuffer::close);
            chunks.clear();
            chunks.add(device.allocateBytes(bytes));
            layout++;
            current = 0;
            used = 0;
        }
    }

    /**
     * Rises whenever memory was taken or given back: as long as it stays, the same allocations from the same mark have the same addresses.
     */
    public long layout() {
        return layout;
    }

    /** A tensor of zeros. */
    public Tensor zeros(DType dtype, long... dims) {
        Tensor tensor = allocate(dtype, dims);
        tensor.fillZero();
        return tensor;
    }

    /** An I32 tensor of these values, row-major. */
    public Tensor of(int[] values, long... dims) {
        Tensor tensor = allocate(DType.I32, dims);
        tensor.upload(values);
        return tensor;
    }

    /** An F32 tensor of these values, row-major. */
    public Tensor of(float[] values, long... dims) {
        Tensor tensor = allocate(DType.F32, dims);
        tensor.upload(values);
        return tensor;
    }

    /** An F64 tensor of these values, row-major. */
    public Tensor of(double[] values, long... dims) {
        Tensor tensor = allocate(DType.F64, dims);
        tensor.upload(values);
        return tensor;
    }

    /** Where the arena stands; {@link #release} with it takes back everything allocated since. */
    public Mark mark() {
        return new Mark(current, used, live);
    }

    /** A position in an arena. */
    public record Mark(int chunk, long used, long live) {
    }

    /** Takes back what was allocated since the mark. */
    public void release(Mark mark) {
        current = mark.chunk();
        used = mark.used();
        live = mark.live();
        if (live == 0) {
            joinChunks();
        }
    }

    /** Takes back everything. */
    public void reset() {
        release(new Mark(0, 0, 0));
    }

    /** While empty: one chunk that holds the most there was takes the place of several that each waste their ends. */
    private void joinChunks() {
        current = 0;
        used = 0;
        if (chunks.size() > 1) {
            chunks.forEach(DeviceBuffer::close);
            chunks.clear();
            chunks.add(device.allocateBytes(highWater));
            layout++;
        }
    }

    /** Device memory that the arena holds, used or not. */
    public long reservedBytes() {
        return chunks.stream().mapToLong(DeviceBuffer::byteSize).sum();
    }

    @Override
    public void close() {
        chunks.forEach(DeviceBuffer::close);
        chunks.clear();
        reset();
    }
}
