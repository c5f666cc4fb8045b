package io.sails4j.jmh;

import io.sails4j.config.ModelConfig;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.Generator;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import java.util.Set;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Fork;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** A token of a model so small that what it costs is the way to the library: two layers, 24 wide, on one thread of the cpu. */
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.MICROSECONDS)
@Fork(value = 2, jvmArgsAppend = "--enable-native-access=ALL-UNNAMED")
@Warmup(iterations = 4, time = 1)
@Measurement(iterations = 5, time = 1)
public class DecodedTokenBench {
    private static final int TOKENS = 100;
    private static final int[] PROMPT = {2, 5, 7, 11};

    private Engine engine;
    private CausalModel model;
    private ModelSession session;
    private Generator generator;

    @Setup
    public void setUp() {
        ModelConfig config = ModelConfig.gemma2().vocabSize(61).dModel(24).layers(2).heads(2, 1).headDim(8).dFf(40).slidingWindow(6)
            .maxPositionEmbeddings(128).checkpointDtype(DType.F32).build();
        engine = Engine.open(new EngineOptions("cpu", 1, ""));
        model = new CausalModel(engine, ModelWeights.random(config, engine, DType.F32, 7), false);
        session = ModelSession.open(model);
        generator = new Generator(session, AdapterStack.none());
    }

    @TearDown
    public void tearDown() {
        session.close();
        model.close();
        engine.close();
    }

    /** One of a hundred tokens, with its share of the prompt. */
    @Benchmark
    @OperationsPerInvocation(TOKENS)
    public int[] token() {
        return generator.generate(PROMPT, GenerationOptions.greedy(TOKENS, Set.of()), null);
    }
}
