package io.sails4j.jmh;

import io.sails4j.align.AdapterOptions;
import io.sails4j.config.ModelConfig;
import io.sails4j.data.TokenSequence;
import io.sails4j.loop.StepHook;
import io.sails4j.loop.StepMetrics;
import io.sails4j.loop.TrainingLoop;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelWeights;
import io.sails4j.objective.SftLoss;
import io.sails4j.train.TrainingOptions;
import io.sails4j.trainable.LoraTrainable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Measurement;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.annotations.Warmup;

/** Whole optimizer steps of rank-16 adapters on q, k, v and o, as {@code sails align} takes them: forward, loss, backward, AdamW. */
@BenchmarkMode(Mode.SingleShotTime)
@OutputTimeUnit(TimeUnit.MILLISECONDS)
@Warmup(iterations = 1)
@Measurement(iterations = 5)
public class LoraStepBench extends OnDevice {
    private static final int STEPS = 4;
    private static final int RANK = 16;

    @Param("2b-layer")
    public String shape;

    /** Of the model, with its head. */
    @Param("2")
    public int layers;

    @Param("16384")
    public int vocabulary;

    private CausalModel model;
    private LoraAdapter adapter;
    private LoraTrainable trainable;
    private TrainingLoop loop;

    @Override
    void prepare() {
        ModelConfig config = Shapes.layer(shape).withLayers(layers).withVocabulary(vocabulary);
        model = new CausalModel(engine, ModelWeights.random(config, engine, dtype, 1), false);
        begin();
        List<StepMetrics> metrics = step();
        end();
        double loss = metrics.getFirst().loss();
        // Random weights know nothing: about the logarithm of the vocabulary, and the soft-cap keeps it below twice that.
        if (!(loss > 0.5 * Math.log(vocabulary) && loss < 4 * Math.log(vocabulary))) {
            throw new IllegalStateException("the loss is " + loss + ", expected about log " + vocabulary);
        }
    }

    /** A loop ends with its steps, so each measurement has its own; making it is not measured. */
    @Setup(Level.Invocation)
    public void begin() {
        ModelConfig config = model.config();
        adapter = LoraAdapter.create(AdapterOptions.ofAttention(RANK).config(config, "bench"), config, engine.device());
        trainable = new LoraTrainable(adapter, engine.device());
        TrainingOptions options = TrainingOptions.defaults().withBatching(b -> {
            b.epochs = STEPS;
            b.maxSteps = STEPS;
            b.batchTokens = tokens;
            b.microBatchTokens = tokens;
        });
        boolean[] counted = new boolean[tokens];
        Arrays.fill(counted, true);
        TokenSequence text = new TokenSequence(new SplittableRandom(2).ints(tokens, 0, vocabulary).toArray(), counted);
        loop = new TrainingLoop(model, trainable, new SftLoss(List.of(text)), options, StepHook.none(), System::nanoTime);
    }

    @TearDown(Level.Invocation)
    public void end() {
        loop.close();
        trainable.close();
        adapter.close();
    }

    @Override
    void release() {
        model.close();
    }

    @Benchmark
    @OperationsPerInvocation(STEPS)
    public List<StepMetrics> step() {
        List<StepMetrics> metrics = new ArrayList<>();
        loop.run(metrics::add);
        return metrics;
    }
}
