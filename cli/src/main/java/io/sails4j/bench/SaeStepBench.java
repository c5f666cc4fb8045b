package io.sails4j.bench;

import io.sails4j.ops.Engine;
import io.sails4j.saetrain.PrefixWidths;
import io.sails4j.saetrain.SaeKind;
import io.sails4j.saetrain.SaeLosses;
import io.sails4j.saetrain.SaeShape;
import io.sails4j.saetrain.SaeTrainOptions;
import io.sails4j.saetrain.SaeTrainer;
import io.sails4j.tensor.DType;
import java.util.LinkedHashMap;
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
    /** Half of all features of gated and standard are active at the start; wider ones take minutes. */
    private static final int WIDEST_WITHOUT_COUNT = 16_384;

    private final Engine engine;
    private final BenchSize size;
    private final Ceilings ceilings;

    SaeStepBench(Engine engine, BenchSize size, Ceilings ceilings) {
        this.engine = engine;
        this.size = size;
        this.ceilings = ceilings;
    }

    void run(int steps, BenchListener listener) {
        int dModel = (int) size.models().getFirst().config().dModel();
        run(SMALL_D_IN, SMALL_WIDTH, steps, listener);
        size.saeWidths().forEach(width -> run(dModel, width, steps, listener));
    }

    private void run(int dIn, int width, int steps, BenchListener listener) {
        for (SaeKind kind : SaeKind.values()) {
            boolean half = kind == SaeKind.GATED || kind == SaeKind.STANDARD;
            if (!half || width <= WIDEST_WITHOUT_COUNT) {
                Shape shape = new Shape(kind, dIn, width);
                listener.unlessTooLarge("sae, train_step, " + shape, () -> listener.measured(line(shape, steps)));
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

    private BenchResult line(Shape shape, int steps) {
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
            double[] seconds = new double[Math.max(steps, size.repeats())];
            for (int i = 0; i < seconds.length; i++) {
                long start = System.nanoTime();
                trainer.step(x, x.length, i + 1L);
                seconds[i] = (System.nanoTime() - start) * 1e-9;
            }
            return result(shape, Timer.median(seconds), first.l0());
        }
    }

    private BenchResult result(Shape shape, double seconds, double l0) {
        int tokens = size.tokens();
        double product = shape.product(tokens);
        // Values, gradients and two moments are read, all but the gradients written.
        double bytes = 7.0 * 2 * shape.dIn * shape.width * Float.BYTES;
        BenchResult.Share dense = ceilings.share(DType.F32, DENSE_PRODUCTS * product, 0, seconds);
        Map<String, Double> more = new LinkedHashMap<>();
        more.put("tokens_per_s", tokens / seconds);
        more.put("times_dense", dense.value());
        more.put("l0", l0);
        more.put("peak_bytes", (double) engine.device().peakBytes());
        return new BenchResult("sae", "train_step", shape + String.format(Locale.ROOT, ", L0 %.0f", l0), DType.F32, seconds,
            product, bytes, ceilings.share(DType.F32, product, bytes, seconds), more);
    }
}
