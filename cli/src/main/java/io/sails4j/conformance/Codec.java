package io.sails4j.conformance;

import io.sails4j.tensor.DType;
import java.nio.ByteBuffer;

/** Numbers as bytes of a type, rounded once and correctly (to nearest, ties to even) from double. */
final class Codec {
    private Codec() {
    }

    /** The nearest number that the type can hold. */
    static double round(double value, DType dtype) {
        return switch (dtype) {
            case F64 -> value;
            case F32 -> (float) value;
            case BF16 -> Float.intBitsToFloat(bf16Bits(value) << 16);
            case F16 -> Float.float16ToFloat(f16Bits(value));
            case I32 -> (int) value;
            case I64, I16, I8, U8, BOOL, Q8, Q4 -> throw new IllegalArgumentException(dtype + " has no element on a device");
        };
    }

    /** Half the distance between 1 and the next number of the type. */
    static double unitRoundoff(DType dtype) {
        return switch (dtype) {
            case F64 -> 0x1p-53;
            case F32 -> 0x1p-24;
            case BF16 -> 0x1p-8;
            case F16 -> 0x1p-11;
            case I32 -> 0;
            case I64, I16, I8, U8, BOOL, Q8, Q4 -> throw new IllegalArgumentException(dtype + " has no element on a device");
        };
    }

    static void put(ByteBuffer bytes, int position, double value, DType dtype) {
        switch (dtype) {
            case F64 -> bytes.putDouble(position, value);
            case F32 -> bytes.putFloat(position, (float) value);
            case BF16 -> bytes.putShort(position, (short) bf16Bits(value));
            case F16 -> bytes.putShort(position, f16Bits(value));
            case I32 -> bytes.putInt(position, (int) value);
            case I64, I16, I8, U8, BOOL, Q8, Q4 -> throw new IllegalArgumentException(dtype + " has no element on a device");
        }
    }

    static double get(ByteBuffer bytes, int position, DType dtype) {
        return switch (dtype) {
            case F64 -> bytes.getDouble(position);
            case F32 -> bytes.getFloat(position);
            case BF16 -> Float.intBitsToFloat(bytes.getShort(position) << 16);
            case F16 -> Float.float16ToFloat(bytes.getShort(position));
            case I32 -> bytes.getInt(position);
            case I64, I16, I8, U8, BOOL, Q8, Q4 -> throw new IllegalArgumentException(dtype + " has no element on a device");
        };
    }

    private static int bf16Bits(double value) {
        if (Double.isNaN(value)) {
            return 0x7fc0;
        }
        int bits = Float.floatToRawIntBits(roundToOdd(value));
        return (bits + 0x7fff + (bits >>> 16 & 1)) >>> 16;
    }

    private static short f16Bits(double value) {
        return Float.floatToFloat16(roundToOdd(value));
    }

    /** Keeps "there was more" in the last bit, so that a second rounding gives what a single one would. */
    private static float roundToOdd(double value) {
        float nearest = (float) value;
        if (nearest == value || Double.isNaN(value)) {
            return nearest;
        }
        float truncated = Math.abs((double) nearest) > Math.abs(value)
            ? Math.copySign(Math.nextDown(Math.abs(nearest)), nearest)
            : nearest;
        return Float.intBitsToFloat(Float.floatToRawIntBits(truncated) | 1);
    }
}
