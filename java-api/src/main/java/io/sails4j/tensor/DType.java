package io.sails4j.tensor;

/** Element types of tensors, in files and on devices. */
public enum DType {
    F32(4, 0), BF16(2, 1), F16(2, 2), F64(8, 3), I32(4, 4),
    // Types that only occur in files.
    I64(8, -1), I16(2, -1), I8(1, -1), U8(1, -1), BOOL(1, -1),
    /** Weights of 8 bits: {@link #isPacked packed}. */
    Q8(0, 5),
    /** Weights of 4 bits: {@link #isPacked packed}. */
    Q4(0, 6);

    /** Columns of a packed matrix that share a scale, {@code SAILS_QUANT_GROUP} of {@code sails.h}. */
    public static final int GROUP = 32;
    private static final int PACKED_ROW_ALIGNMENT = 16;

    private final int byteSize;
    private final int abiCode;

    DType(int byteSize, int abiCode) {
        this.byteSize = byteSize;
        this.abiCode = abiCode;
    }

    /**
     * Bytes of an element.
     *
     * @throws IllegalArgumentException of a packed type, whose elements have no bytes of their own
     */
    public int byteSize() {
        if (isPacked()) {
            throw new IllegalArgumentException(this + " is packed: its rows have a size, its elements have none");
        }
        return byteSize;
    }

    /**
     * Whether tensors of this type are matrices of whole numbers in groups of {@link #GROUP} columns that share a BF16 scale, laid out row
     * by row as the section "quantized" of {@code sails.h} says. They exist on devices; a file keeps them as U8 [rows, bytes of a row].
     */
    public boolean isPacked() {
        return this == Q8 || this == Q4;
    }

    /** Bytes of a row of a packed matrix. */
    public long packedRowBytes(long cols) {
        if (!isPacked()) {
            throw new IllegalArgumentException(this + " is not packed");
        }
        long groups = Math.ceilDiv(cols, (long) GROUP);
        long bytes = groups * ((this == Q8 ? GROUP : GROUP / 2) + 2);
        return Math.ceilDiv(bytes, (long) PACKED_ROW_ALIGNMENT) * PACKED_ROW_ALIGNMENT;
    }

    /** Bytes of a tensor of this type and a shape. */
    public long byteSize(Shape shape) {
        if (!isPacked()) {
            return Math.multiplyExact(shape.numel(), (long) byteSize);
        }
        if (shape.rank() == 0) {
            throw new IllegalArgumentException("a " + this + " tensor has shape [], expected rows");
        }
        long cols = shape.dim(-1);
        return cols == 0 ? 0 : Math.multiplyExact(shape.numel() / cols, packedRowBytes(cols));
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
