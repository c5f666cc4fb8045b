package io.sails4j.io;

import io.sails4j.InputException;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Shape;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** The header of a NumPy {@code .npy} array (numpy.lib.format, versions 1.0 to 3.0). */
final class NpyHeader {
    private static final byte[] MAGIC = {(byte) 0x93, 'N', 'U', 'M', 'P', 'Y'};
    private static final int MAX_HEADER_BYTES = 1 << 20;
    private static final Map<String, DType> TYPES = Map.of("<f4", DType.F32, "<f8", DType.F64, "<f2", DType.F16, "<i4", DType.I32,
        "<i8", DType.I64, "<i2", DType.I16, "|i1", DType.I8, "|u1", DType.U8, "|b1", DType.BOOL);
    // The keys come in any order, with or without a trailing comma.
    private static final Pattern DESCR = Pattern.compile("['\"]descr['\"]\\s*:\\s*(['\"]([^'\"]*)['\"]|\\[.*?\\])");
    private static final Pattern ORDER = Pattern.compile("['\"]fortran_order['\"]\\s*:\\s*(True|False)");
    private static final Pattern SHAPE = Pattern.compile("['\"]shape['\"]\\s*:\\s*\\(([0-9,\\sL]*)\\)");

    private NpyHeader() {
    }

    /** The array in {@code npy}, whose bytes are exactly header and data; {@code where} names it in errors. */
    static HostTensor parse(String where, MemorySegment npy) {
        if (npy.byteSize() < 10 || !Arrays.equals(npy.asSlice(0, 6).toArray(ValueLayout.JAVA_BYTE), MAGIC)) {
            throw new InputException(where + " is not a .npy array: the first six bytes are not \\x93NUMPY");
        }
        int version = npy.get(ValueLayout.JAVA_BYTE, 6);
        if (version < 1 || version > 3) {
            throw new InputException(where + " has .npy version " + version + ", expected 1, 2 or 3");
        }
        int lengthBytes = version == 1 ? 2 : 4;
        long length = 0;
        for (int i = 0; i < lengthBytes; i++) {
            if (8 + i >= npy.byteSize()) {
                throw new InputException(where + " is cut off in its header");
            }
            length |= (npy.get(ValueLayout.JAVA_BYTE, 8L + i) & 0xffL) << (8 * i);
        }
        long dataOffset = 8 + lengthBytes + length;
        if (length > MAX_HEADER_BYTES || dataOffset > npy.byteSize()) {
            throw new InputException(where + " is cut off: its header needs " + length + " bytes, it has "
                + (npy.byteSize() - 8 - lengthBytes));
        }
        String header = new String(npy.asSlice(8 + lengthBytes, length).toArray(ValueLayout.JAVA_BYTE), StandardCharsets.UTF_8);
        return build(where, header, npy.asSlice(dataOffset));
    }

    private static HostTensor build(String where, String header, MemorySegment data) {
        DType dtype = type(where, find(DESCR, header, where, "descr"));
        Shape shape = shape(where, find(SHAPE, header, where, "shape").group(1));
        boolean fortran = find(ORDER, header, where, "fortran_order").group(1).equals("True");
        if (fortran && shape.rank() >= 2) {
            throw new InputException(where + " is in Fortran order, expected C order (numpy.ascontiguousarray)");
        }
        long expected;
        try {
            expected = Math.multiplyExact(shape.numel(), (long) dtype.byteSize());
        } catch (ArithmeticException e) {
            throw new InputException(where + " has more than 2^63 bytes", e);
        }
        if (data.byteSize() != expected) {
            throw new InputException(where + " " + dtype + " " + shape + " needs " + expected + " bytes, it has " + data.byteSize());
        }
        return new HostTensor(dtype, shape, data);
    }

    private static Matcher find(Pattern pattern, String header, String where, String key) {
        Matcher matcher = pattern.matcher(header);
        if (!matcher.find()) {
            throw new InputException(where + ": the .npy header has no usable '" + key + "': " + header.strip());
        }
        return matcher;
    }

    private static DType type(String where, Matcher descr) {
        String name = descr.group(2);
        if (name == null) {
            throw new InputException(where + " has a structured dtype " + descr.group(1) + ", expected plain numbers");
        }
        DType dtype = TYPES.get(name);
        if (dtype != null) {
            return dtype;
        }
        if (name.contains("O")) {
            throw new InputException(
                where + " holds Python objects (a pickle), which can run code when read, and is refused; save plain numbers");
        }
        if (name.startsWith(">")) {
            throw new InputException(
                where + " is big-endian ('" + name + "'), expected little-endian (numpy: a.astype('<" + name.substring(1) + "'))");
        }
        throw new InputException(where + " has dtype '" + name + "', expected one of " + TYPES.keySet().stream().sorted().toList());
    }

    private static Shape shape(String where, String text) {
        String[] parts = text.replace("L", "").strip().split("\\s*,\\s*");
        long[] dims = Arrays.stream(parts).filter(p -> !p.isBlank()).mapToLong(p -> {
            try {
                return Long.parseLong(p.strip());
            } catch (NumberFormatException e) {
                throw new InputException(where + " has the size '" + p + "' in its shape, expected an integer below 2^63", e);
            }
        }).toArray();
        try {
            return Shape.of(dims);
        } catch (IllegalArgumentException e) {
            throw new InputException(where + ": " + e.getMessage(), e);
        }
    }
}
