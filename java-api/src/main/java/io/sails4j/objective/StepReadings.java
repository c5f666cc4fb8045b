package io.sails4j.objective;

import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.DeviceBuffer;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Numbers that a step leaves on the device and that the host reads all at once: the only wait of a step. Tensors handed out are valid until
 * {@link #begin}; their values can be asked for after {@link #read}. The memory grows to what the largest step so far has needed.
 */
public final class StepReadings implements AutoCloseable {
    private static final long ALIGNMENT = 64;
    private static final long MIN_BYTES = 64L << 10;

    private final Device device;
    private final List<Piece> pieces = new ArrayList<>();
    private long used;
    private long layout;
    /** Bytes of the pieces before the last. */
    private long before;

    /** Device memory and where it is read to. */
    private record Piece(DeviceBuffer buffer, Arena arena, MemorySegment host) {
        static Piece of(Device device, long bytes) {
            Arena arena = Arena.ofShared();
            return new Piece(device.allocateBytes(bytes), arena, arena.allocate(bytes, ALIGNMENT));
        }

        void close() {
            buffer.close();
            arena.close();
        }
    }

    /**
     * Some numbers: where the device puts them, and where the host finds them.
     *
     * @param tensor F32 or F64
     */
    public record Reading(Tensor tensor, MemorySegment host) {
        /** Element {@code i}, after {@link StepReadings#read}. */
        public double value(long i) {
            return tensor.dtype() == DType.F64 ? host.getAtIndex(ValueLayout.JAVA_DOUBLE, i) : host.getAtIndex(ValueLayout.JAVA_FLOAT, i);
        }
    }

    public StepReadings(Device device) {
        this.device = device;
    }

    /** Forgets all readings. */
    public void begin() {
        if (pieces.size() > 1) {
            long all = before + pieces.getLast().buffer.byteSize();
            pieces.forEach(Piece::close);
            pieces.clear();
            pieces.add(Piece.of(device, all));
            layout++;
        }
        used = 0;
        before = 0;
    }

    /** As long as it stays, the same room taken first after {@link #begin} has the same addresses. */
    public long layout() {
        return layout;
    }

    /** Room for numbers of one type, F32 or F64. */
    public Reading add(DType dtype, long... dims) {
        Shape shape = Shape.of(dims);
        long bytes = shape.numel() * dtype.byteSize();
        @Nullable
        Piece last = pieces.isEmpty() ? null : pieces.getLast();
        if (last == null || used + bytes > last.buffer.byteSize()) {
            before += last == null ? 0 : last.buffer.byteSize();
            last = Piece.of(device, Math.max(Math.ceilDiv(bytes, ALIGNMENT) * ALIGNMENT, MIN_BYTES));
            pieces.add(last);
            used = 0;
        }
        Reading reading = new Reading(Tensor.over(last.buffer, used, dtype, shape), last.host.asSlice(used, bytes));
        used = Math.ceilDiv(used + bytes, ALIGNMENT) * ALIGNMENT;
        return reading;
    }

    /** Waits for the device and brings all numbers to the host. */
    public void read() {
        for (int i = 0; i < pieces.size(); i++) {
            Piece piece = pieces.get(i);
            long bytes = i < pieces.size() - 1 ? piece.buffer.byteSize() : Math.min(used, piece.buffer.byteSize());
            if (bytes > 0) {
                Tensor.over(piece.buffer, 0, DType.I32, Shape.of(bytes / Integer.BYTES)).download(piece.host.asSlice(0, bytes));
            }
        }
    }

    @Override
    public void close() {
        pieces.forEach(Piece::close);
        pieces.clear();
    }
}
