package io.sails4j.model;

import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.SplittableRandom;

/** Tokens after a prompt with random weights, to be put beside the device's copy bandwidth: each step reads every weight once. */
public final class DecodeBenchmark {
    private final Engine engine;
    private final ModelConfig config;
    private final DType dtype;

    public DecodeBenchmark(Engine engine, ModelConfig config, DType dtype) {
        this.engine = engine;
        this.config = config;
        this.dtype = dtype;
    }

    /**
     * @param tokensPerSecond of all sequences together, prompt and warming up left out
     * @param weightBytes that one step reads: all projections, norms and the head, whatever the batch
     */
    public record Result(double tokensPerSecond, double stepSeconds, long weightBytes) {
        public double weightBytesPerSecond() {
            return weightBytes / stepSeconds;
        }
    }

    /** Times {@code tokens} steps of a batch after prompts of one length. */
    public Result run(int batch, int promptLength, int tokens) {
        try (CausalModel model = new CausalModel(engine, ModelWeights.random(config, engine, dtype, 1), false)) {
            SplittableRandom random = new SplittableRandom(2);
            List<int[]> prompts = new ArrayList<>();
            for (int b = 0; b < batch; b++) {
                prompts.add(random.ints(promptLength, 0, (int) config.vocabSize()).toArray());
            }
            Generator generator = new Generator(model, AdapterStack.none());
            // The prompt, and recording, take as long whatever follows: the difference of two lengths is the steps alone.
            double few = seconds(generator, prompts, WARM_UP);
            double many = seconds(generator, prompts, WARM_UP + tokens);
            double step = (many - few) / tokens;
            return new Result(batch / step, step, weightBytes());
        }
    }

    private static final int WARM_UP = 4;

    private double seconds(Generator generator, List<int[]> prompts, int tokens) {
        long start = System.nanoTime();
        generator.generate(prompts, GenerationOptions.greedy(tokens, Set.of()), null);
        return (System.nanoTime() - start) * 1e-9;
    }

    private long weightBytes() {
        long perLayer = 0;
        for (Projection projection : Projection.values()) {
            perLayer += projection.dIn(config) * projection.dOut(config);
        }
        return (perLayer * config.nLayers() + config.vocabSize() * config.dModel()) * dtype.byteSize();
    }
}
