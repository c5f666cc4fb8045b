package io.sails4j.tensor;

/** Element types of tensors, in files and on devices. */
public enum DType {
    F32(4, 0), BF16(2, 1), F16(2, 2), F64(8, 3), I32(4, 4),
    // Types that only occur in files.
    I64(8, -1), I16(2, -1), I8(1, -1), U8(1, -1), BOOL(1, -1);

    private final int byteSize;
    private final int abiCode;

    DType(int byteSize, int abiCode) {
        this.byteSize = byteSize;
        this.abiCode = abiCode;
    }

    /** Bytes of an element. */
    public int byteSize() {
        return byteSize;
    }

    /** The code of this type in {@code sails.h}. */
    public int abiCode() {
        if (abiCode < 0) {
            throw new IllegalArgumentException(this + " exists in files only; convert it before it goes to a device");
        }
        return abiCode;
    }

    /** Whether its numbers have an exponent. */
    public boolean isFloating() {
        return this == F32 || this == BF16 || this == F16 || this == F64;
    }
}
