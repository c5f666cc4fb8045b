package io.sails4j.conformance;

import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.DeviceBuffer;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * An argument of an operation under test: its values in double precision beside its device memory. The memory lies between red zones
 * whose bytes are all ones (NaN in every floating-point type, so that reading them shows as well as writing them), at an address that is
 * aligned to the element size and no better. An operand that is only timed has no red zones, and its values repeat.
 */
public final class Operand {
    static final int RED_ZONE_BYTES = 256;
    private static final byte RED = (byte) 0xff;
    /** Floating-point values of an operand that is timed repeat after so many: a prime, so that no two rows of a matrix are the same. */
    static final int TIMED_PERIOD = 1_000_003;
    /** Room for {@link #tolerance} over the computed error: the constant c of the error model. */
    private static final double SAFETY = 4;

    enum Role { INPUT, OUTPUT, UPDATED, SCRATCH }

    private final String name;
    private final DType dtype;
    private final Role role;
    private final int numel;
    private final int offset;
    private final byte[] initial;
    private final double[] values;
    private final DeviceBuffer buffer;
    private final Tensor tensor;
    private double @Nullable [] expected;
    private double @Nullable [] tolerance;
    private boolean wasRead;
    /** Elements that the operation has to do with. */
    private long touched;

    Operand(Device device, String name, DType dtype, Role role, int misalignment, double @Nullable [] drawn, long... dims) {
        this.name = name;
        this.dtype = dtype;
        this.role = role;
        this.numel = Math.toIntExact(Shape.of(dims).numel());
        this.touched = numel;
        this.offset = RED_ZONE_BYTES + misalignment * dtype.byteSize();
        this.initial = new byte[Math.ceilDiv(offset + numel * dtype.byteSize() + RED_ZONE_BYTES, 4) * 4];
        Arrays.fill(initial, RED);
        this.values = drawn == null ? new double[0] : drawn;
        if (drawn != null) {
            ByteBuffer bytes = little(initial);
            for (int i = 0; i < numel; i++) {
                Codec.put(bytes, offset + i * dtype.byteSize(), drawn[i], dtype);
                drawn[i] = Codec.get(bytes, offset + i * dtype.byteSize(), dtype);
            }
        }
        this.buffer = device.allocateBytes(initial.length);
        this.tensor = Tensor.over(buffer, offset, dtype, Shape.of(dims));
        reset();
    }

    /** An operand that is only timed. */
    private Operand(Device device, String name, DType dtype, Role role, double[] period, long... dims) {
        this.name = name;
        this.dtype = dtype;
        this.role = role;
        this.numel = Math.toIntExact(Shape.of(dims).numel());
        this.touched = numel;
        this.offset = 0;
        this.initial = new byte[period.length * dtype.byteSize()];
        this.values = period;
        ByteBuffer bytes = little(initial);
        for (int i = 0; i < period.length; i++) {
            Codec.put(bytes, i * dtype.byteSize(), period[i], dtype);
        }
        this.buffer = device.allocateBytes(Math.max(1L, (long) numel * dtype.byteSize()));
        this.tensor = Tensor.over(buffer, 0, dtype, Shape.of(dims));
    }

    /** @param period what the values repeat after; empty: undefined contents */
    static Operand timed(Device device, String name, DType dtype, Role role, double[] period, long... dims) {
        Operand operand = new Operand(device, name, dtype, role, period, dims);
        Tensor flat = operand.tensor.view(operand.numel);
        if (period.length > 0) {
            flat.rows(0, period.length).upload(MemorySegment.ofArray(operand.initial));
            for (long filled = period.length; filled < operand.numel;) {
                long count = Math.min(filled, operand.numel - filled);
                flat.rows(filled, count).copyFrom(flat.rows(0, count));
                filled += count;
            }
        }
        return operand;
    }

    private static ByteBuffer little(byte[] bytes) {
        return ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }

    public Tensor tensor() {
        return tensor;
    }

    public DType dtype() {
        return dtype;
    }

    /** The values before the call, rounded to the type; of an input or an updated operand. */
    double[] values() {
        return values;
    }

    double value(int i) {
        return values[i];
    }

    /** The operation has to do with no more than so many elements, of rows that it picks. */
    Operand touching(long elements) {
        touched = Math.min(touched, elements);
        return this;
    }

    /** Bytes that the operation must move for this operand. */
    long traffic() {
        long bytes = touched * dtype.byteSize();
        return switch (role) {
            case INPUT, OUTPUT -> bytes;
            case UPDATED -> 2 * bytes;
            case SCRATCH -> 0;
        };
    }

    /** Those of them that it must write. */
    long writtenTraffic() {
        return role == Role.OUTPUT || role == Role.UPDATED ? touched * dtype.byteSize() : 0;
    }

    /** The initial contents again, red zones and all. */
    void reset() {
        Tensor.over(buffer, 0, DType.I32, Shape.of(initial.length / 4)).upload(MemorySegment.ofArray(initial));
    }

    /** Element {@code i} must come out as {@code value}, up to an error of the computation of {@code error} and rounding to the type. */
    void expect(int i, double value, double error) {
        expectWithin(i, value, SAFETY * error + Codec.unitRoundoff(dtype) * Math.abs(value) * (1 + 1e-3) + smallest());
    }

    /** The smallest number that f32 and bf16 hold: what they round to zero is no error. */
    private double smallest() {
        return dtype == DType.F16 ? 0x1p-24 : Float.MIN_NORMAL;
    }

    /** Element {@code i} must be the nearest number of the type. */
    void expectExactly(int i, double value) {
        expectWithin(i, Codec.round(value, dtype), 0);
    }

    private void expectWithin(int i, double value, double limit) {
        if (expected == null || tolerance == null) {
            expectUntouched();
        }
        Objects.requireNonNull(expected)[i] = value;
        Objects.requireNonNull(tolerance)[i] = limit;
    }

    /** Elements of which nothing else is said must not be written. */
    void expectUntouched() {
        expected = new double[numel];
        tolerance = new double[numel];
        Arrays.fill(tolerance, -1);
    }

    /** What the device holds now. */
    double[] download() {
        wasRead = true;
        ByteBuffer bytes = little(downloadBytes());
        double[] out = new double[numel];
        for (int i = 0; i < numel; i++) {
            out[i] = Codec.get(bytes, offset + i * dtype.byteSize(), dtype);
        }
        return out;
    }

    byte[] downloadBytes() {
        byte[] bytes = new byte[initial.length];
        Tensor.over(buffer, 0, DType.I32, Shape.of(initial.length / 4)).download(MemorySegment.ofArray(bytes));
        return bytes;
    }

    /** Whether the oracle has asked for what the device computed. */
    boolean wasRead() {
        return wasRead;
    }

    /** The same bytes in the same place, red zones and all. */
    boolean hasTheArgumentsOf(Operand other) {
        return name.equals(other.name) && role == other.role && offset == other.offset && Arrays.equals(initial, other.initial);
    }

    /** What {@code other}, which has the same arguments, expects. */
    void expectAs(Operand other) {
        expected = other.expected;
        tolerance = other.tolerance;
    }

    /** Checks red zones and inputs. */
    void checkSurroundings(Verdict verdict) {
        checkAround(downloadBytes(), verdict);
    }

    private void checkAround(byte[] now, Verdict verdict) {
        int end = offset + numel * dtype.byteSize();
        checkRange(now, 0, offset, "before the start of ", verdict);
        checkRange(now, end, now.length, "past the end of ", verdict);
        if (role == Role.INPUT) {
            checkRange(now, offset, end, "into the input ", verdict);
        }
    }

    /** Compares everything: red zones, values, and that what should not be written was not. */
    void check(Verdict verdict) {
        byte[] now = downloadBytes();
        checkAround(now, verdict);
        if (role == Role.SCRATCH) {
            return;
        }
        if (expected == null || tolerance == null) {
            if (role != Role.INPUT && numel > 0) {
                verdict.fail("the oracle says nothing about " + name);
            }
            return;
        }
        ByteBuffer found = little(now);
        for (int i = 0; i < numel; i++) {
            int at = offset + i * dtype.byteSize();
            if (tolerance[i] < 0) {
                checkRange(now, at, at + dtype.byteSize(), "what it must not in ", verdict);
            } else {
                verdict.compare(name, i, Codec.get(found, at, dtype), expected[i], tolerance[i]);
            }
        }
    }

    private void checkRange(byte[] now, int from, int to, String where, Verdict verdict) {
        int at = Arrays.mismatch(now, from, to, initial, from, to);
        if (at >= 0) {
            verdict.fail("the operation wrote " + where + name + " (byte " + (from + at - offset) + ")");
        }
    }

    /** NaN compares with NaN; the bits of the whole operand must be those of an earlier run. */
    void checkSameBits(byte[] earlier, Verdict verdict) {
        if (role != Role.SCRATCH && !Arrays.equals(earlier, downloadBytes())) {
            verdict.fail("a second call gave other bits in " + name);
        }
    }

    void close() {
        buffer.close();
    }
}
