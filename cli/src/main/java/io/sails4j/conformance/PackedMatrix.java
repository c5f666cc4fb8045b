package io.sails4j.conformance;

import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/** A packed matrix of a case: its bytes drawn as words, its values worked out from them by the layout that sails.h states. */
final class PackedMatrix {
    private final DType type;
    private final int rows;
    private final int cols;
    private final Operand words;

    private PackedMatrix(DType type, int rows, int cols, Operand words) {
        this.type = type;
        this.rows = rows;
        this.cols = cols;
        this.words = words;
    }

    /** Random codes, also in the columns that are filled up, with scales of either sign. */
    static PackedMatrix drawn(Fixture f, String name, DType type, int rows, int cols) {
        int rowBytes = (int) type.packedRowBytes(cols);
        if (f.isTimed()) {
            // Numbers whose bytes are fair codes and, where they fall on scales, fair scales.
            return new PackedMatrix(type, rows, cols, f.input(name, DType.BF16, Draw.uniform(0x1p-7, 0x1p-6), rows, rowBytes / 2));
        }
        int codeBytes = groups(cols) * groupBytes(type);
        return new PackedMatrix(type, rows, cols, f.input(name, DType.I32, (random, i) -> {
            int at = i * 4 % rowBytes;
            int word = 0;
            for (int j = 0; j < 4; j++) {
                int next = at + j < codeBytes ? code(type, random.nextInt()) : (at + j - codeBytes) % 2 == 0 ? random.nextInt(256)
                    : 0x3c | random.nextInt(2) << 7;
                word |= (next & 0xff) << 8 * j;
            }
            return word;
        }, rows, rowBytes / 4));
    }

    /** One that an operation writes. */
    static PackedMatrix written(Fixture f, String name, DType type, int rows, int cols) {
        return new PackedMatrix(type, rows, cols, f.output(name, DType.I32, rows, type.packedRowBytes(cols) / 4));
    }

    /** An int8 of -128 is no code. */
    private static int code(DType type, int drawn) {
        return type == DType.Q8 && (byte) drawn == Byte.MIN_VALUE ? 1 : drawn;
    }

    private static int groups(int cols) {
        return Math.ceilDiv(cols, DType.GROUP);
    }

    private static int groupBytes(DType type) {
        return type == DType.Q8 ? DType.GROUP : DType.GROUP / 2;
    }

    Tensor tensor() {
        return words.tensor().bitsAs(type, rows, cols);
    }

    Operand words() {
        return words;
    }

    /** [rows, cols] of the drawn bytes. */
    double[] values() {
        return values(words.values());
    }

    /** What the device has written. */
    double[] download() {
        return values(words.download());
    }

    private double[] values(double[] drawn) {
        ByteBuffer bytes = ByteBuffer.allocate(drawn.length * 4).order(ByteOrder.LITTLE_ENDIAN);
        for (double word : drawn) {
            bytes.putInt((int) word);
        }
        double[] values = new double[rows * cols];
        int rowBytes = (int) type.packedRowBytes(cols);
        for (int i = 0; i < values.length; i++) {
            int row = i / cols * rowBytes;
            int group = i % cols / DType.GROUP;
            int within = i % cols % DType.GROUP;
            int half = DType.GROUP / 2;
            int code;
            if (type == DType.Q8) {
                code = bytes.get(row + i % cols);
            } else {
                int both = bytes.get(row + group * half + within % half) & 0xff;
                code = (within < half ? both & 15 : both >> 4) - 8;
            }
            short scale = bytes.getShort(row + groups(cols) * groupBytes(type) + 2 * group);
            values[i] = code * (double) Float.intBitsToFloat(scale << 16);
        }
        return values;
    }
}
