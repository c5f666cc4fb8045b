package io.sails4j.jmh;

import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.AuxCounters;
import org.openjdk.jmh.annotations.Benchmark;
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

/** y = x W^T at the shapes of Gemma-2-2B's projections, 512 tokens, in both types. GFLOP/s is beside the time. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Fork(value = 1, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 2, time = 2)
@Measurement(iterations = 5, time = 2)
public class MatmulBench {
    /** d_out x d_in. */
    @Param({"2048x2304", "9216x2304", "2304x9216"})
    private String weight;

    @Param({"F32", "BF16"})
    private DType dtype;

    @Param({"1", "512"})
    private long tokens;

    private Engine engine;
    private TensorArena memory;
    private Tensor x;
    private Tensor w;
    private Tensor y;
    private double flops;

    /** Floating-point operations of one call over its time. */
    @AuxCounters(AuxCounters.Type.OPERATIONS)
    @State(Scope.Thread)
    public static class Rate {
        private double gflop;

        public double gflop() {
            return gflop;
        }
    }

    @Setup
    public void setUp() {
        engine = Engine.open(EngineOptions.defaults());
        memory = new TensorArena(engine.device());
        String[] sides = weight.split("x");
        long dOut = Long.parseLong(sides[0]);
        long dIn = Long.parseLong(sides[1]);
        x = random(tokens, dIn);
        w = random(dOut, dIn);
        y = memory.allocate(DType.F32, tokens, dOut);
        flops = 2.0 * tokens * dOut * dIn;
    }

    private Tensor random(long rows, long cols) {
        SplittableRandom random = new SplittableRandom(rows * 31 + cols);
        float[] values = new float[Math.toIntExact(rows * cols)];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) random.nextDouble(-1, 1);
        }
        Tensor f32 = memory.of(values, rows, cols);
        if (dtype == DType.F32) {
            return f32;
        }
        Tensor typed = memory.allocate(dtype, rows, cols);
        engine.ops().elementwise().convert(typed, f32);
        return typed;
    }

    @Benchmark
    public void matmul(Rate rate) {
        engine.ops().matmul().matmul(y, x, w, false, true, 1, 0);
        engine.device().synchronize();
        rate.gflop += flops * 1e-9;
    }

    @TearDown
    public void tearDown() {
        memory.close();
        engine.close();
    }
}
