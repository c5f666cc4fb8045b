package io.sails4j.bench;

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
import io.sails4j.ops.Engine;
import io.sails4j.ops.Graphs;
import io.sails4j.tensor.DType;
import io.sails4j.train.Execution;
import io.sails4j.train.RecomputeOption;
import io.sails4j.train.ScheduleOptions;
import io.sails4j.train.TrainingOptions;
import io.sails4j.trainable.FullTrainable;
import io.sails4j.trainable.LoraTrainable;
import io.sails4j.trainable.Trainable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;

/** Optimizer steps of a model with random weights, to be put beside what the device can do. */
final class StepBenchmark {
    private static final int RANK = 16;

    private final Engine engine;
    private final ModelConfig config;
    private final DType dtype;
    private final int sequences;
    private final int length;

    /** @param sequences of a step, all of the same length, in one micro-batch */
    StepBenchmark(Engine engine, ModelConfig config, DType dtype, int sequences, int length) {
        this.engine = engine;
        this.config = config;
        this.dtype = dtype;
        this.sequences = sequences;
        this.length = length;
    }

    /**
     * One variant's numbers.
     *
     * @param tokensPerSecond of each timed step
     * @param peakBytes of the device at its most
     */
    record Result(List<Double> tokensPerSecond, long plannedBytes, long peakBytes) {
    }

    /** Times {@code steps} steps after one that warms up. */
    Result run(boolean full, RecomputeOption recompute, int steps) {
        TrainingOptions options = TrainingOptions.defaults().withBatching(b -> {
            b.epochs = steps + 1;
            b.maxSteps = steps + 1;
            b.batchTokens = sequences * length;
            b.microBatchTokens = sequences * length;
        }).withAdamw(adamw -> adamw.withLr(1e-6)).with(t -> {
            t.schedule = ScheduleOptions.constant();
            t.execution = new Execution(recompute, Graphs.AUTO);
            t.seed = 1;
        });
        try (CausalModel model = new CausalModel(engine, ModelWeights.random(config, engine, dtype, 1), false);
             LoraAdapter adapter = LoraAdapter.create(AdapterOptions.ofAttention(RANK).config(config, "bench"), config, engine.device());
             Trainable trainable = full ? new FullTrainable(model) : new LoraTrainable(adapter, engine.device());
             TrainingLoop loop = new TrainingLoop(model, trainable, new SftLoss(examples()), options, StepHook.none(), System::nanoTime)) {
            List<StepMetrics> metrics = new ArrayList<>();
            loop.run(metrics::add);
            return new Result(metrics.stream().skip(1).map(StepMetrics::tokensPerSecond).toList(), loop.memory().totalBytes(),
                engine.device().peakBytes());
        }
    }

    private List<TokenSequence> examples() {
        List<TokenSequence> examples = new ArrayList<>();
        SplittableRandom random = new SplittableRandom(2);
        for (int i = 0; i < sequences; i++) {
            boolean[] counted = new boolean[length];
            Arrays.fill(counted, true);
            examples.add(new TokenSequence(random.ints(length, 0, (int) config.vocabSize()).toArray(), counted));
        }
        return examples;
    }
}
