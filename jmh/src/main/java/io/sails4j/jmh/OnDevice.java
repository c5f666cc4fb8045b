package io.sails4j.jmh;

import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What the benchmarks of operations share: an engine, random tensors, and the check of a result before anything is timed. A benchmark waits
 * for the device inside of the measurement.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 2, time = 1)
@Measurement(iterations = 5, time = 1)
public abstract class OnDevice {
    /** Of a sum in bf16 that is rounded once or twice. */
    private static final double TOLERANCE = 0.03;

    @Param("cpu")
    public String backend;

    /** All that the process may use. */
    @Param("0")
    public int threads;

    @Param("")
    public String options;

    @Param("BF16")
    public DType dtype;

    @Param("256")
    public int tokens;

    Engine engine;
    Ops ops;
    TensorArena memory;
    private final SplittableRandom random = new SplittableRandom(1);

    @Setup
    public void open() {
        engine = Engine.open(new EngineOptions(backend, threads, options));
        ops = engine.ops();
        memory = new TensorArena(engine.device());
        prepare();
    }

    /** Makes what is timed, and checks what it computes once. */
    abstract void prepare();

    /** Frees what {@link #prepare} made and the arena does not hold. */
    void release() {
        // Tensors of the arena go with it.
    }

    @TearDown
    public void close() {
        release();
        memory.close();
        engine.close();
    }

    void await() {
        engine.device().synchronize();
    }

    /** Uniform values in (-1, 1) of the benchmark's type. */
    Tensor random(long... dims) {
        return random(dtype, dims);
    }

    Tensor random(DType type, long... dims) {
        Tensor tensor = memory.allocate(type, dims);
        float[] values = new float[Math.toIntExact(tensor.numel())];
        for (int i = 0; i < values.length; i++) {
            values[i] = random.nextInt() * 0x1p-31f;
        }
        if (type == DType.F32) {
            tensor.upload(values);
            return tensor;
        }
        try (TensorArena staging = new TensorArena(engine.device())) {
            ops.elementwise().convert(tensor, staging.of(values, dims));
            await();
        }
        return tensor;
    }

    /** The values of a tensor of any floating type. */
    float[] values(Tensor tensor) {
        try (TensorArena staging = new TensorArena(engine.device())) {
            Tensor wide = staging.allocate(DType.F32, tensor.shape().toArray());
            ops.elementwise().convert(wide, tensor);
            return wide.toFloatArray();
        }
    }

    /** Refuses a result in which something is not finite. */
    void requireFinite(String name, Tensor tensor) {
        long bad = ops.elementwise().countNonfinite(tensor);
        if (bad > 0) {
            throw new IllegalStateException(name + " has " + bad + " elements that are not finite: what is timed computes nothing");
        }
    }

    /** Refuses a result that is not the expected one, up to rounding beside the size of what was summed. */
    static void require(String name, double actual, double expected, double size) {
        if (!(Math.abs(actual - expected) <= TOLERANCE * Math.max(size, Math.abs(expected)))) {
            throw new IllegalStateException(name + " is " + actual + ", expected " + expected + ": what is timed computes something else");
        }
    }

    /** The inner product of a row of a and a row of b, both [.., k]. */
    static double dot(float[] a, int rowA, float[] b, int rowB, int k) {
        double sum = 0;
        for (int i = 0; i < k; i++) {
            sum += (double) a[rowA * k + i] * b[rowB * k + i];
        }
        return sum;
    }
}
