package io.sails4j.bench;

import io.sails4j.config.ModelConfig;
import io.sails4j.loop.TrainingFlops;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.GenerationOptions;
import io.sails4j.model.Generator;
import io.sails4j.model.Generator.StepListener;
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
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Generation as {@code sails generate} does it: a prompt up to its first new token, and one token after another beside the time that
 * reading all weights and the cache takes.
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
                jobs.add(new Job("decode", named.name() + ", " + config.nLayers() + " layers" + suffix(format), 1 + BATCHES.length,
                    (engine, listener) -> {
                        try (CausalModel model = new CausalModel(engine, weights(config, engine, dtype, format), false);
                             ModelSession session = ModelSession.open(model)) {
                            listener.measured(prefill(named.name(), session, dtype));
                            for (int batch : BATCHES) {
                                listener.measured(step(named.name(), session, dtype, batch));
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

    /** From a prompt to the first token after it. */
    private BenchResult prefill(String name, ModelSession session, DType dtype) {
        ModelConfig config = session.model().config();
        int[] prompt = prompt(config, size.tokens());
        seconds(session, prompt, 1, 1);
        Times times = Times.median(Timer.repeated(size.timing(), size.timing().repeats(), () -> seconds(session, prompt, 1, 1)));
        double flops = prompt.length * (TrainingFlops.linear(config) + TrainingFlops.attention(config, prompt.length))
            + TrainingFlops.head(config);
        String shape = model(name, session) + ", " + prompt.length + " tokens";
        return new BenchResult("decode", "prefill", shape, dtype, times, flops, session.model().weights().byteSize(), 0,
            Map.of("tokens_per_s", prompt.length / times.seconds()));
    }

    private static String model(String name, ModelSession session) {
        return name + ", " + session.model().config().nLayers() + " layers" + suffix(session.model().weights().format());
    }

    private static int[] prompt(ModelConfig config, int tokens) {
        return new SplittableRandom(tokens).ints(tokens, 0, (int) config.vocabSize()).toArray();
    }

    /** From one chosen token to the next behind a prompt. */
    private BenchResult step(String name, ModelSession session, DType dtype, int batch) {
        ModelConfig config = session.model().config();
        Times times = stepTimes(session, batch);
        double cached = 2.0 * batch * (PROMPT_TOKENS + size.decodeTokens() / 2.0) * config.kvWidth() * config.nLayers();
        double bytes = session.model().weights().byteSize() + cached * dtype.byteSize();
        double flops = batch * (TrainingFlops.linear(config) + TrainingFlops.head(config)
            + 4.0 * config.nLayers() * config.qWidth() * (PROMPT_TOKENS + size.decodeTokens() / 2.0));
        String shape = model(name, session) + ", batch " + batch + ", after " + PROMPT_TOKENS + " tokens";
        return new BenchResult("decode", "step", shape, dtype, times, flops, bytes, 0,
            Map.of("tokens_per_s", batch / times.seconds()));
    }

    private Times stepTimes(ModelSession session, int batch) {
        int[] prompt = prompt(session.model().config(), PROMPT_TOKENS);
        seconds(session, prompt, batch, WARM_UP_TOKENS);
        return Times.median(Timer.repeated(size.timing(), size.timing().repeats(), () -> {
            StepClock clock = new StepClock();
            generate(session, prompt, batch, WARM_UP_TOKENS + size.decodeTokens(), StepListener.ofTokens(clock));
            return clock.seconds();
        }));
    }

    private static double seconds(ModelSession session, int[] prompt, int batch, int tokens) {
        long start = System.nanoTime();
        generate(session, prompt, batch, tokens, null);
        return (System.nanoTime() - start) * NANO;
    }

    private static void generate(ModelSession session, int[] prompt, int batch, int tokens, @Nullable StepListener listener) {
        new Generator(session, AdapterStack.none()).generate(Collections.nCopies(batch, prompt), GenerationOptions.greedy(tokens, Set.of()),
            listener);
    }

    /**
     * From the last token that warms up to the last one of a generation. Where several steps are queued at a time, a queue ends at both:
     * queues end at powers of 2 at first.
     */
    private static final class StepClock implements Consumer<int[]> {
        private int tokens;
        private long begin;
        private long end;

        @Override
        public void accept(int[] ids) {
            end = System.nanoTime();
            if (++tokens == WARM_UP_TOKENS) {
                begin = end;
            }
        }

        /** Of one step. */
        double seconds() {
            return Math.max(NANO, (end - begin) * NANO / (tokens - WARM_UP_TOKENS));
        }
    }
}
