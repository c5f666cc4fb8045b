package io.sails4j.jmh;

import io.sails4j.ops.AttentionShape;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Collections;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/**
 * What reaching the library costs: calls on tensors without elements, from one that does nothing to one with many parameters and one with
 * lists.
 */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 3, time = 1)
@Measurement(iterations = 5, time = 1)
public class DowncallBench {
    private static final AttentionShape NOTHING = new AttentionShape(0, 0, 0, 4, 2, 8, 0, 0, 0, 1, 0);

    private Engine engine;
    private Ops ops;
    private TensorArena memory;
    private Tensor f32;
    private Tensor i32;
    private Tensor rates;
    private List<Tensor> tensors;

    @Setup
    public void setUp() {
        engine = Engine.open(new EngineOptions("cpu", 1, ""));
        ops = engine.ops();
        memory = new TensorArena(engine.device());
        f32 = memory.allocate(DType.F32, 0);
        i32 = memory.allocate(DType.I32, 0);
        rates = memory.zeros(DType.F32, 9);
        tensors = Collections.nCopies(8, f32);
    }

    @TearDown
    public void tearDown() {
        memory.close();
        engine.close();
    }

    /** One call, the shortest there is: filling no bytes. */
    @Benchmark
    public void empty() {
        f32.fillZero();
    }

    /** One call with seven sizes that answers a number. */
    @Benchmark
    public long question() {
        return ops.attention().attentionBackwardWorkspaceBytes(0, 0, 4, 2, 8, DType.F32);
    }

    /** The checks of seven tensors, a question and a call with 21 parameters. */
    @Benchmark
    public void wide() {
        ops.attention().attentionForward(f32, null, f32, f32, f32, i32, i32, NOTHING);
    }

    /** Four lists of eight tensors and their sizes. */
    @Benchmark
    public void lists() {
        ops.optimizer().adamw(tensors, tensors, tensors, tensors, rates);
    }
}
