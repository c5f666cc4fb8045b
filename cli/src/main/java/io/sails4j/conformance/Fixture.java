package io.sails4j.conformance;

import io.sails4j.ops.Engine;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** The arguments of one case on one engine; closing it frees them. */
public final class Fixture implements AutoCloseable {
    private final Engine engine;
    private final SplittableRandom random;
    private final List<Operand> operands = new ArrayList<>();
    private final Verdict verdict = new Verdict();
    private final boolean timed;
    private boolean aligned;
    private boolean oracleHoldsElsewhere;
    private @Nullable Runnable oracle;

    /**
     * Arguments drawn from a seed: in one case of two aligned as an arena aligns tensors, in the other as little as their elements must
     * be.
     */
    public Fixture(Engine engine, long seed) {
        this(engine, seed, false);
    }

    private Fixture(Engine engine, long seed, boolean timed) {
        this.engine = engine;
        this.random = new SplittableRandom(seed);
        this.timed = timed;
        this.aligned = random.nextBoolean();
    }

    /** Arguments for a benchmark, as large as wanted: drawn in part and repeated on the device, not fit to be compared with anything. */
    public static Fixture timed(Engine engine, long seed) {
        return new Fixture(engine, seed, true);
    }

    /**
     * Whether the operands need only be of the right kind: what is expensive to draw, or must agree with other operands, may be made up.
     */
    boolean isTimed() {
        return timed;
    }

    /** The case is about a variant that wants whole vectors, or a bulk copy: the operands after this are aligned whatever was drawn. */
    void aligned() {
        aligned = true;
    }

    Ops ops() {
        return engine.ops();
    }

    Engine engine() {
        return engine;
    }

    RandomGenerator random() {
        return random;
    }

    /** An argument that is read. */
    Operand input(String name, DType dtype, Draw draw, long... dims) {
        return add(name, dtype, Operand.Role.INPUT, draw, dims);
    }

    /** An argument that is overwritten; starts as NaN. */
    Operand output(String name, DType dtype, long... dims) {
        return add(name, dtype, Operand.Role.OUTPUT, null, dims);
    }

    /** An argument that is read and written: "+=", or an output that aliases an input. */
    Operand updated(String name, DType dtype, Draw draw, long... dims) {
        return add(name, dtype, Operand.Role.UPDATED, draw, dims);
    }

    /** What one operation of a case hands to the next: starts as NaN, only its red zones are checked. */
    Operand intermediate(String name, DType dtype, long... dims) {
        return add(name, dtype, Operand.Role.SCRATCH, null, dims);
    }

    private Operand add(String name, DType dtype, Operand.Role role, @Nullable Draw draw, long... dims) {
        double[] drawn = null;
        if (draw != null) {
            int numel = Math.toIntExact(Shape.of(dims).numel());
            drawn = new double[timed && dtype.isFloating() ? Math.min(numel, Operand.TIMED_PERIOD) : numel];
            for (int i = 0; i < drawn.length; i++) {
                drawn[i] = draw.next(random, i);
            }
        }
        if (timed) {
            Operand operand = Operand.timed(engine.device(), name, dtype, role, drawn == null ? new double[0] : drawn, dims);
            operands.add(operand);
            return operand;
        }
        int misalignment = aligned || role == Operand.Role.SCRATCH ? 0 : random.nextInt(64 / dtype.byteSize());
        Operand operand = new Operand(engine.device(), name, dtype, role, misalignment, drawn, dims);
        operands.add(operand);
        return operand;
    }

    static @Nullable Tensor tensorOrNull(@Nullable Operand operand) {
        return operand == null ? null : operand.tensor();
    }

    /** What computes the expected values; runs after the call. */
    void oracle(Runnable body) {
        oracle = body;
    }

    /** A result that does not lie in an operand. */
    void compare(String name, double actual, double expected, double limit) {
        verdict.compare(name, 0, actual, expected, limit);
    }

    /** Bytes that one call must move at least. */
    public long bytes() {
        return operands.stream().mapToLong(Operand::traffic).sum();
    }

    /** Those of them that it must write. */
    public long writtenBytes() {
        return operands.stream().mapToLong(Operand::writtenTraffic).sum();
    }

    /**
     * Calls, and checks what {@code depth} says.
     *
     * @param earlier this case on another engine: what its oracle said holds here, too, where the arguments are the same
     */
    Verdict run(Runnable call, Depth depth, @Nullable Fixture earlier) {
        call.run();
        engine.device().synchronize();
        if (depth == Depth.MEMORY) {
            operands.forEach(operand -> operand.checkSurroundings(verdict));
            return verdict;
        }
        if (oracle != null && (earlier == null || !takesOver(earlier))) {
            oracle.run();
            oracleHoldsElsewhere = verdict.comparisons() == 0 && operands.stream().noneMatch(Operand::wasRead);
        }
        operands.forEach(operand -> operand.check(verdict));
        if (depth == Depth.BITS) {
            checkSecond(call);
        }
        return verdict;
    }

    /** An oracle that reads what its device computed speaks for that device alone. */
    private boolean takesOver(Fixture earlier) {
        boolean same = earlier.oracleHoldsElsewhere && earlier.operands.size() == operands.size()
            && IntStream.range(0, operands.size()).allMatch(i -> operands.get(i).hasTheArgumentsOf(earlier.operands.get(i)));
        if (same) {
            IntStream.range(0, operands.size()).forEach(i -> operands.get(i).expectAs(earlier.operands.get(i)));
        }
        return same;
    }

    private void checkSecond(Runnable call) {
        List<byte[]> first = operands.stream().map(Operand::downloadBytes).toList();
        operands.forEach(Operand::reset);
        call.run();
        engine.device().synchronize();
        for (int i = 0; i < first.size(); i++) {
            operands.get(i).checkSameBits(first.get(i), verdict);
        }
    }

    @Override
    public void close() {
        operands.forEach(Operand::close);
    }
}
