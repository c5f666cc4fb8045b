package io.sails4j.bench;

import io.sails4j.ops.Engine;
import io.sails4j.saetrain.PrefixWidths;
import io.sails4j.saetrain.SaeKind;
import io.sails4j.saetrain.SaeLosses;
import io.sails4j.saetrain.SaeShape;
import io.sails4j.saetrain.SaeTrainOptions;
import io.sails4j.saetrain.SaeTrainer;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Whole training steps of autoencoders, forward, backward and update, in F32. Beside each stands what a dense step could reach at most: six
 * products of [tokens, d_in] with [d_in, d_sae] at the measured ceiling, two forward and four backward.
 */
final class SaeStepBench {
    private static final int DENSE_PRODUCTS = 6;
    /** About as many as published autoencoders have. */
    private static final int ACTIVE = 32;
    /** Known features are found in vectors of this size (docs/saes.md). */
    private static final int SMALL_D_IN = 128;
    private static final int SMALL_WIDTH = 512;

    private final BenchSize size;
    private final Ceilings ceilings;

    SaeStepBench(BenchSize size, Ceilings ceilings) {
        this.size = size;
        this.ceilings = ceilings;
    }

    List<Job> jobs(int steps) {
        List<Job> jobs = new ArrayList<>();
        int dModel = (int) size.models().getFirst().config().dModel();
        add(jobs, SMALL_D_IN, SMALL_WIDTH, steps);
        size.saeWidths().forEach(width -> add(jobs, dModel, width, steps));
        return jobs;
    }

    private void add(List<Job> jobs, int dIn, int width, int steps) {
        for (SaeKind kind : SaeKind.values()) {
            boolean half = kind == SaeKind.GATED || kind == SaeKind.STANDARD;
            if (!half || width <= size.steps().widestWithoutCount()) {
                Shape shape = new Shape(kind, dIn, width);
                jobs.add(new Job("sae", "train_step, " + shape, 1, (engine, listener) -> listener.measured(line(engine, shape, steps))));
            }
        }
    }

    private record Shape(SaeKind kind, int dIn, int width) {
        int k() {
            return Math.min(ACTIVE, width / 16);
        }

        double product(int tokens) {
            return 2.0 * tokens * dIn * width;
        }

        @Override
        public String toString() {
            return dIn + " -> " + width + ", " + kind.name().toLowerCase(Locale.ROOT);
        }
    }

    private BenchResult line(Engine engine, Shape shape, int steps) {
        int tokens = size.tokens();
        SaeTrainOptions options = SaeTrainOptions.defaults().with(o -> {
            o.shape = new SaeShape(shape.kind, shape.width, shape.k(), PrefixWidths.NONE);
            o.batching = o.batching.with(b -> {
                b.batchTokens = tokens;
                b.bufferTokens = tokens;
            });
        });
        float[] x = new float[Math.multiplyExact(tokens, shape.dIn)];
        SplittableRandom random = new SplittableRandom(5);
        for (int i = 0; i < x.length; i++) {
            x[i] = (float) random.nextGaussian();
        }
        try (SaeTrainer trainer = new SaeTrainer(engine, options, shape.dIn, 1)) {
            trainer.initialize(new float[shape.dIn], 1);
            SaeLosses first = trainer.step(x, x.length, 0);
            long[] step = new long[1];
            double[] seconds = Timer.repeated(size.timing(), Math.max(steps, size.timing().repeats()), () -> {
                long start = System.nanoTime();
                trainer.step(x, x.length, ++step[0]);
                return (System.nanoTime() - start) * 1e-9;
            });
            return result(engine, shape, Times.median(seconds), first.l0());
        }
    }

    private BenchResult result(Engine engine, Shape shape, Times times, double l0) {
        double seconds = times.seconds();
        int tokens = size.tokens();
        double product = shape.product(tokens);
        // Values, gradients and two moments are read, all but the gradients written.
        double once = 2.0 * shape.dIn * shape.width * Float.BYTES;
        double bytes = 7 * once;
        Map<String, Double> more = new LinkedHashMap<>();
        more.put("tokens_per_s", tokens / seconds);
        more.put("times_dense", ceilings.productSeconds(DType.F32, DENSE_PRODUCTS * product) / seconds);
        more.put("l0", l0);
        more.put("peak_bytes", (double) engine.device().peakBytes());
        return new BenchResult("sae", "train_step", shape.toString(), DType.F32, times,
            product, bytes, 3 * once, more);
    }
}
