package io.sails4j.tensor;

import java.lang.foreign.MemorySegment;

/**
 * A dense row-major tensor in device memory: a buffer, an offset, a type and a shape. Views share the buffer.
 * {@link #close()} frees the buffer, so close only a tensor that owns it ({@code device.allocate}); tensors of a
 * {@link TensorArena} are freed by the arena.
 */
public final class Tensor implements AutoCloseable {
    private final DeviceBuffer buffer;
    private final long offset;
    private final DType dtype;
    private final Shape shape;

    private Tensor(DeviceBuffer buffer, long offset, DType dtype, Shape shape) {
        this.buffer = buffer;
        this.offset = offset;
        this.dtype = dtype;
        this.shape = shape;
    }

    /** A tensor over part of a buffer, {@code offset} in bytes. */
    public static Tensor over(DeviceBuffer buffer, long offset, DType dtype, Shape shape) {
        long bytes = byteSize(dtype, shape);
        if (offset < 0 || offset > buffer.byteSize() - bytes) {
            throw new IllegalArgumentException("tensor " + dtype + " " + shape + " at byte " + offset
                + " does not fit into a buffer of " + buffer.byteSize() + " bytes");
        }
        return new Tensor(buffer, offset, dtype, shape);
    }

    static long byteSize(DType dtype, Shape shape) {
        return dtype.byteSize(shape);
    }

    /** Where the elements lie. */
    public Device device() {
        return buffer.device();
    }

    /** The elements' type. */
    public DType dtype() {
        return dtype;
    }

    /** The dimensions. */
    public Shape shape() {
        return shape;
    }

    /** A dimension, counted from 0. */
    public long dim(int i) {
        return shape.dim(i);
    }

    /** Number of elements. */
    public long numel() {
        return shape.numel();
    }

    /** Bytes of the elements. */
    public long byteSize() {
        return byteSize(dtype, shape);
    }

    /** The device pointer of the first element, for this package, and for {@code ops} through its {@code Addresses}. */
    long address() {
        return buffer.address() + offset;
    }

    /** The same elements in another shape. */
    public Tensor view(long... dims) {
        Shape other = Shape.of(dims);
        if (other.numel() != shape.numel() || dtype.byteSize(other) != byteSize()) {
            throw new IllegalArgumentException("cannot view " + dtype + " " + shape + " as " + other);
        }
        return new Tensor(buffer, offset, dtype, other);
    }

    /** The same bytes as elements of another type. */
    public Tensor bitsAs(DType other, long... dims) {
        Shape shaped = Shape.of(dims);
        if (byteSize(other, shaped) != byteSize()) {
            throw new IllegalArgumentException(dtype + " " + shape + " has not the bytes of " + other + " " + shaped);
        }
        return new Tensor(buffer, offset, other, shaped);
    }

    /** Rows {@code [from, from + count)} of the outermost dimension. */
    public Tensor rows(long from, long count) {
        long total = shape.dim(0);
        if (from < 0 || count < 0 || from > total - count) {
            throw new IllegalArgumentException("rows [" + from + ", " + (from + count) + ") of " + shape);
        }
        long[] dims = shape.toArray();
        long rowBytes = total == 0 ? 0 : byteSize() / total;
        dims[0] = count;
        return new Tensor(buffer, offset + from * rowBytes, dtype, Shape.of(dims));
    }

    /** Overwrites the elements with {@code source}, which has exactly this tensor's bytes, little endian. */
    public void upload(MemorySegment source) {
        requireBytes(source);
        device().handle().upload(address(), source);
    }

    /** Overwrites the elements of an F32 tensor. */
    public void upload(float[] values) {
        requireType(DType.F32);
        upload(MemorySegment.ofArray(values));
    }

    /** Overwrites the elements of an F64 tensor. */
    public void upload(double[] values) {
        requireType(DType.F64);
        upload(MemorySegment.ofArray(values));
    }

    /** Overwrites the elements of an I32 tensor. */
    public void upload(int[] values) {
        requireType(DType.I32);
        upload(MemorySegment.ofArray(values));
    }

    /** Waits for queued work, then copies the elements to {@code destination}. */
    public void download(MemorySegment destination) {
        requireBytes(destination);
        device().handle().download(destination, address());
    }

    /** The elements of an F32 tensor; waits for queued work. */
    public float[] toFloatArray() {
        requireType(DType.F32);
        float[] out = new float[Math.toIntExact(numel())];
        download(MemorySegment.ofArray(out));
        return out;
    }

    /** The elements of an F64 tensor; waits for queued work. */
    public double[] toDoubleArray() {
        requireType(DType.F64);
        double[] out = new double[Math.toIntExact(numel())];
        download(MemorySegment.ofArray(out));
        return out;
    }

    /** The elements of an I32 tensor; waits for queued work. */
    public int[] toIntArray() {
        requireType(DType.I32);
        int[] out = new int[Math.toIntExact(numel())];
        download(MemorySegment.ofArray(out));
        return out;
    }

    /** A copy on the host, of the same type. */
    public HostTensor toHost() {
        MemorySegment bytes = MemorySegment.ofArray(new byte[Math.toIntExact(byteSize())]);
        download(bytes);
        return new HostTensor(dtype, shape, bytes);
    }

    /** Copies the elements of a tensor of the same type and shape; queued. */
    public void copyFrom(Tensor source) {
        if (source.dtype != dtype || !source.shape.equals(shape)) {
            throw new IllegalArgumentException("cannot copy " + source + " into " + this);
        }
        device().handle().copy(address(), source.address(), byteSize());
    }

    /** Sets all elements to zero; queued. */
    public void fillZero() {
        device().handle().fillZero(address(), byteSize());
    }

    private void requireBytes(MemorySegment segment) {
        if (segment.byteSize() != byteSize()) {
            throw new IllegalArgumentException(this + " has " + byteSize() + " bytes, the host side " + segment.byteSize());
        }
    }

    private void requireType(DType expected) {
        if (dtype != expected) {
            throw new IllegalArgumentException(this + " is not " + expected);
        }
    }

    @Override
    public void close() {
        buffer.close();
    }

    @Override
    public String toString() {
        return dtype + " " + shape;
    }
}
