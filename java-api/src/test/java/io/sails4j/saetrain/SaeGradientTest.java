package io.sails4j.saetrain;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/** The gradient of every objective against central differences of the same written out in double. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
class SaeGradientTest {
    private static final int D_IN = 5;
    private static final int WIDTH = 11;
    private static final int VECTORS = 9;
    private static final double STEP = 1e-5;

    private Engine engine;

    @BeforeAll
    void open() {
        engine = Engine.open(new EngineOptions("cpu", 1, ""));
    }

    @AfterAll
    void close() {
        engine.close();
    }

    static Stream<SaeTrainOptions> objectives() {
        SaeTrainOptions base = SaeTrainOptions.defaults().with(o -> {
            o.shape = new SaeShape(SaeKind.TOPK, WIDTH, 3, PrefixWidths.NONE);
            o.sparsity = new SparsityOptions(0.3, 0, 0, SparsityPenalty.L0, 0.4, 0.5);
            o.revival = new RevivalOptions(2, 0.25, 2, 0);
        });
        return Stream.of(
            base,
            base.with(o -> o.shape = o.shape.with(s -> s.matryoshka = new PrefixWidths(List.of(2, 6)))),
            base.with(o -> o.shape = o.shape.with(s -> s.kind = SaeKind.BATCHTOPK)),
            base.with(o -> o.shape = o.shape.with(s -> s.kind = SaeKind.GATED)),
            base.with(o -> o.shape = o.shape.with(s -> s.kind = SaeKind.STANDARD)),
            base.with(o -> o.shape = new SaeShape(SaeKind.STANDARD, WIDTH, 3, new PrefixWidths(List.of(4)))),
            base.with(o -> o.shape = o.shape.with(s -> s.kind = SaeKind.JUMPRELU)),
            base.with(o -> {
                o.shape = o.shape.with(s -> s.kind = SaeKind.JUMPRELU);
                o.sparsity = o.sparsity.with(s -> s.targetL0 = 2);
            }),
            base.with(o -> {
                o.shape = new SaeShape(SaeKind.JUMPRELU, WIDTH, 3, new PrefixWidths(List.of(5)));
                o.sparsity = o.sparsity.with(s -> s.penalty = SparsityPenalty.TANH);
            }));
    }

    @ParameterizedTest
    @MethodSource("objectives")
    void isThatOfTheObjective(SaeTrainOptions options) {
        Random random = new Random(7);
        try (SaeTrainer trainer = new SaeTrainer(engine, options, D_IN, 1)) {
            Map<String, double[]> parameters = draw(trainer, options, random);
            double[][] x = new double[VECTORS][D_IN];
            float[] flat = new float[VECTORS * D_IN];
            for (int at = 0; at < flat.length; at++) {
                flat[at] = (float) (1.5 * random.nextGaussian());
                x[at / D_IN][at % D_IN] = flat[at];
            }
            boolean[] dead = new boolean[WIDTH];
            int[] silent = new int[WIDTH];
            for (int i : new int[] {1, 4, 8}) {
                dead[i] = options.shape().kind().fixesCount();
                silent[i] = dead[i] ? 2 : 0;
            }
            trainer.dead().restore(silent);
            SaeReference reference = new SaeReference(options, D_IN, x, parameters, dead);
            reference.freeze();
            SaeTrainer.Sums sums = trainer.gradients(flat, 0);
            assertThat(sums.mse + sums.sparsity + sums.aux).isCloseTo(reference.loss(), within(1e-5 * Math.abs(reference.loss())));
            parameters.forEach((name, values) -> {
                double[] expected = name.equals(SaeParameters.LOG_THRESHOLD) ? reference.thresholdGradient()
                    : differences(reference, values);
                if (name.equals(SaeParameters.W_DEC) && options.shape().kind() != SaeKind.STANDARD) {
                    removeParallel(expected, values);
                }
                requireClose(name, trainer.parameters().gradient(name).toFloatArray(), expected);
            });
        }
    }

    private static Map<String, double[]> draw(SaeTrainer trainer, SaeTrainOptions options, Random random) {
        Map<String, double[]> parameters = new LinkedHashMap<>();
        trainer.initialize(new float[D_IN], 3);
        List<String> names = switch (options.shape().kind()) {
            case JUMPRELU -> List.of("W_enc", "b_enc", "W_dec", "b_dec", "log_threshold");
            case GATED -> List.of("W_enc", "b_enc", "W_dec", "b_dec", "b_mag", "r_mag");
            case TOPK, BATCHTOPK, STANDARD -> List.of("W_enc", "b_enc", "W_dec", "b_dec");
        };
        for (String name : names) {
            float[] values = trainer.parameters().value(name).toFloatArray();
            double[] doubles = new double[values.length];
            for (int i = 0; i < values.length; i++) {
                // Rows of W_dec keep their length, but in standard, where they are free.
                boolean kept = name.equals("W_dec") && options.shape().kind() != SaeKind.STANDARD;
                values[i] += kept ? 0 : (float) (0.3 * random.nextGaussian());
                doubles[i] = values[i];
            }
            trainer.parameters().value(name).upload(values);
            parameters.put(name, doubles);
        }
        return parameters;
    }

    private static double[] differences(SaeReference reference, double[] values) {
        double[] gradient = new double[values.length];
        for (int i = 0; i < values.length; i++) {
            double at = values[i];
            values[i] = at + STEP;
            double above = reference.loss();
            values[i] = at - STEP;
            gradient[i] = (above - reference.loss()) / (2 * STEP);
            values[i] = at;
        }
        return gradient;
    }

    private static void removeParallel(double[] gradient, double[] rows) {
        for (int i = 0; i < WIDTH; i++) {
            double dot = 0;
            for (int d = i * D_IN; d < (i + 1) * D_IN; d++) {
                dot += gradient[d] * rows[d];
            }
            for (int d = i * D_IN; d < (i + 1) * D_IN; d++) {
                gradient[d] -= dot * rows[d];
            }
        }
    }

    private static void requireClose(String name, float[] found, double[] expected) {
        double largest = 0;
        for (double value : expected) {
            largest = Math.max(largest, Math.abs(value));
        }
        assertThat(largest).as(name + " has a gradient").isPositive();
        for (int i = 0; i < expected.length; i++) {
            assertThat((double) found[i]).as(name + "[" + i + "]").isCloseTo(expected[i], within(2e-5 * largest + 1e-7));
        }
    }
}
