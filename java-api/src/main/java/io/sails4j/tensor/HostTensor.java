package io.sails4j.tensor;

import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.ByteOrder;

/**
 * A tensor in host memory, little endian, row-major: a view of a mapped file or of an array.
 *
 * @param data exactly {@code dtype.byteSize(shape)} bytes, possibly unaligned and read-only
 */
public record HostTensor(DType dtype, Shape shape, MemorySegment data) {
    private static final ValueLayout.OfFloat F32 = ValueLayout.JAVA_FLOAT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfDouble F64 = ValueLayout.JAVA_DOUBLE_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfInt I32 = ValueLayout.JAVA_INT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfLong I64 = ValueLayout.JAVA_LONG_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);
    private static final ValueLayout.OfShort I16 = ValueLayout.JAVA_SHORT_UNALIGNED.withOrder(ByteOrder.LITTLE_ENDIAN);

    public HostTensor {
        long expected = dtype.byteSize(shape);
        if (data.byteSize() != expected) {
            throw new IllegalArgumentException(
                "tensor " + dtype + " " + shape + " needs " + expected + " bytes, got " + data.byteSize());
        }
    }

    /** F32 elements, row-major. */
    public static HostTensor ofFloats(float[] values, long... dims) {
        return new HostTensor(DType.F32, Shape.of(dims), MemorySegment.ofArray(values));
    }

    /** F64 elements, row-major. */
    public static HostTensor ofDoubles(double[] values, long... dims) {
        return new HostTensor(DType.F64, Shape.of(dims), MemorySegment.ofArray(values));
    }

    /** I32 elements, row-major. */
    public static HostTensor ofInts(int[] values, long... dims) {
        return new HostTensor(DType.I32, Shape.of(dims), MemorySegment.ofArray(values));
    }

    /** All elements as float; I32 and I64 values must fit exactly into an int, see {@link #toIntArray()}. */
    public float[] toFloatArray() {
        float[] out = new float[Math.toIntExact(shape.numel())];
        switch (dtype) {
            case F32 -> MemorySegment.copy(data, F32, 0, out, 0, out.length);
            case F64 -> {
                for (int i = 0; i < out.length; i++) {
                    out[i] = (float) data.get(F64, 8L * i);
                }
            }
            case BF16 -> {
                for (int i = 0; i < out.length; i++) {
                    out[i] = Float.intBitsToFloat(data.get(I16, 2L * i) << 16);
                }
            }
            case F16 -> {
                for (int i = 0; i < out.length; i++) {
                    out[i] = Float.float16ToFloat(data.get(I16, 2L * i));
                }
            }
            case I32, I64, I16, I8, U8, BOOL, Q8, Q4 ->
                throw new IllegalArgumentException("tensor " + dtype + " " + shape + " is not floating point");
        }
        return out;
    }

    /** The elements of an F64 tensor. */
    public double[] toDoubleArray() {
        if (dtype != DType.F64) {
            throw new IllegalArgumentException("tensor " + dtype + " " + shape + " is not F64");
        }
        double[] out = new double[Math.toIntExact(shape.numel())];
        MemorySegment.copy(data, F64, 0, out, 0, out.length);
        return out;
    }

    /** All elements as int; I64 values that do not fit are an error. */
    public int[] toIntArray() {
        int[] out = new int[Math.toIntExact(shape.numel())];
        switch (dtype) {
            case I32 -> MemorySegment.copy(data, I32, 0, out, 0, out.length);
            case I64 -> {
                for (int i = 0; i < out.length; i++) {
                    out[i] = Math.toIntExact(data.get(I64, 8L * i));
                }
            }
            case U8, BOOL -> {
                for (int i = 0; i < out.length; i++) {
                    out[i] = data.get(ValueLayout.JAVA_BYTE, i) & 0xff;
                }
            }
            case I16 -> {
                for (int i = 0; i < out.length; i++) {
                    out[i] = data.get(I16, 2L * i);
                }
            }
            case I8 -> {
                for (int i = 0; i < out.length; i++) {
                    out[i] = data.get(ValueLayout.JAVA_BYTE, i);
                }
            }
            case F32, F64, BF16, F16, Q8, Q4 ->
                throw new IllegalArgumentException("tensor " + dtype + " " + shape + " is not an integer tensor");
        }
        return out;
    }
}
