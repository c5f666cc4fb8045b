package io.sails4j.bench;

import io.sails4j.config.ModelConfig;
import io.sails4j.loop.TrainingFlops;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.Generator;
import io.sails4j.model.ModelSession;
import io.sails4j.model.ModelWeights;
import io.sails4j.model.WeightFormat;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.SplittableRandom;

/**
 * Generation of one token after another, as {@code sails generate} does it, beside the time that reading all weights and the cache takes.
 */
final class DecodeBench {
    private static final int PROMPT_TOKENS = 128;
    private static final int[] BATCHES = {1, 8};
    /** In which a step is recorded, where the backend can. */
    private static final int WARM_UP_TOKENS = 4;
    private static final double NANO = 1e-9;

    private final BenchSize size;

    DecodeBench(BenchSize size) {
        this.size = size;
    }

    /** @param layers of the models, 0 = all */
    List<Job> jobs(DType dtype, int layers) {
        List<Job> jobs = new ArrayList<>();
        for (BenchSize.Model named : size.models()) {
            ModelConfig config = named.config(layers);
            for (WeightFormat format : WeightFormat.values()) {
                jobs.add(new Job("decode", named.name() + ", " + config.nLayers() + " layers" + suffix(format), BATCHES.length,
                    (engine, listener) -> {
                        try (CausalModel model = new CausalModel(engine, weights(config, engine, dtype, format), false);
                             ModelSession session = ModelSession.open(model)) {
                            for (int batch : BATCHES) {
                                listener.measured(line(named.name(), session, dtype, batch));
                            }
                        }
                    }));
            }
        }
        return jobs;
    }

    private static String suffix(WeightFormat format) {
        return format == WeightFormat.CHECKPOINT ? "" : ", " + format.name().toLowerCase(Locale.ROOT);
    }

    private static ModelWeights weights(ModelConfig config, Engine engine, DType dtype, WeightFormat format) {
        ModelWeights whole = ModelWeights.random(config, engine, dtype, 1);
        if (format == WeightFormat.CHECKPOINT) {
            return whole;
        }
        try (whole) {
            return whole.packed(format, _ -> null);
        }
    }

    private BenchResult line(String name, ModelSession session, DType dtype, int batch) {
        ModelConfig config = session.model().config();
        Times times = stepTimes(session, batch);
        double cached = 2.0 * batch * (PROMPT_TOKENS + size.decodeTokens() / 2.0) * config.kvWidth() * config.nLayers();
        double bytes = session.model().weights().byteSize() + cached * dtype.byteSize();
        double flops = batch * (TrainingFlops.linear(config) + TrainingFlops.head(config)
            + 4.0 * config.nLayers() * config.qWidth() * (PROMPT_TOKENS + size.decodeTokens() / 2.0));
        String shape = name + ", " + config.nLayers() + " layers" + suffix(session.model().weights().format()) + ", batch " + batch
            + ", after " + PROMPT_TOKENS + " tokens";
        return new BenchResult("decode", "step", shape, dtype, times, flops, bytes, 0,
            Map.of("tokens_per_s", batch / times.seconds()));
    }

    /**
     * From one chosen token to the next: differences of a long and a short generation, in both of which the host looks at the tokens as
     * seldom as it does for a user.
     */
    private Times stepTimes(ModelSession session, int batch) {
        SplittableRandom random = new SplittableRandom(batch);
        int[] prompt = random.ints(PROMPT_TOKENS, 0, (int) session.model().config().vocabSize()).toArray();
        seconds(session, prompt, batch, WARM_UP_TOKENS);
        return Times.median(Timer.repeated(size.timing(), size.timing().repeats(), () -> {
            double few = seconds(session, prompt, batch, WARM_UP_TOKENS);
            double many = seconds(session, prompt, batch, WARM_UP_TOKENS + size.decodeTokens());
            return Math.max(NANO, (many - few) / size.decodeTokens());
        }));
    }

    private static double seconds(ModelSession session, int[] prompt, int batch, int tokens) {
        long start = System.nanoTime();
        new Generator(session, AdapterStack.none()).generate(Collections.nCopies(batch, prompt), GenerationOptions.greedy(tokens, Set.of()),
            null);
        return (System.nanoTime() - start) * NANO;
    }
}
