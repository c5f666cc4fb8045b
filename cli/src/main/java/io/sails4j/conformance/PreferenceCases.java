package io.sails4j.conformance;

import io.sails4j.model.Labels;
import io.sails4j.ops.PreferenceKind;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Losses of preference pairs, and the weights of their tokens. */
public final class PreferenceCases {

    private PreferenceCases() {
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (PreferenceKind kind : PreferenceKind.values()) {
            for (int pairs : new int[] {0, 1, 5, 33}) {
                cases.add(new Preference(pairs, 23, kind, 0.1, 0.25, true, 2));
            }
            cases.add(new Preference(2, 700, kind, 0.5, 1, true, 2));
            cases.add(new Preference(3, 9, kind, 2, 1, false, 2));
            // Answers that the model is nearly sure of.
            cases.add(new Preference(3, 9, kind, 1, 1, true, 1e-4));
        }
        return cases;
    }

    /** A pair's margin and loss, and the loss's derivative by the token losses of either answer; formulas: sails.h. */
    record Pair(double margin, double loss, double alignedWeight, double unalignedWeight) {
        private static double minusLogSigmoid(double x) {
            return Math.max(0, -x) + Math.log1p(Math.exp(-Math.abs(x)));
        }

        static Pair of(PreferenceKind kind, double strength, double[] logp, int[] counted, double refA, double refU) {
            double margin = strength * (logp[0] - refA - (logp[1] - refU));
            return switch (kind) {
                case DPO -> {
                    double pull = strength / (1 + Math.exp(margin));
                    yield new Pair(margin, minusLogSigmoid(margin), pull, -pull);
                }
                case IPO -> {
                    double off = margin / strength - 1 / (2 * strength);
                    yield new Pair(margin, off * off, -2 * off, 2 * off);
                }
                case ORPO -> {
                    double a = Math.min(-1e-7, logp[0] / counted[0]);
                    double u = Math.min(-1e-7, logp[1] / counted[1]);
                    double odds = a - u - (Math.log(-Math.expm1(a)) - Math.log(-Math.expm1(u)));
                    double pull = strength / (1 + Math.exp(odds));
                    yield new Pair(odds, -a + strength * minusLogSigmoid(odds), (1 - pull / Math.expm1(a)) / counted[0],
                        pull / Math.expm1(u) / counted[1]);
                }
            };
        }
    }

    /**
     * Answers of up to {@code most} tokens one behind the other with gaps between them, a third of the tokens not counted.
     *
     * @param size of the token losses
     */
    public record Preference(int pairs, int most, PreferenceKind kind, double strength, double scale, boolean weighted, double size)
        implements OpCase {
        @Override
        public String operation() {
            return "preference_loss";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return 4.0 * pairs * most;
        }

        @Override
        public Runnable prepare(Fixture f) {
            int[] start = new int[2 * pairs];
            int[] end = new int[2 * pairs];
            int tokens = 0;
            for (int i = 0; i < 2 * pairs; i++) {
                start[i] = tokens + f.random().nextInt(3);
                end[i] = start[i] + f.random().nextInt(1, most + 1);
                tokens = end[i];
            }
            Operand targets = f.input("targets", DType.I32,
                (random, i) -> random.nextInt(3) == 0 && !ends(end, i + 1) ? Labels.IGNORE_INDEX : random.nextInt(99),
                tokens);
            Operand loss = f.input("token_loss", DType.F32,
                (random, i) -> targets.value(i) == Labels.IGNORE_INDEX ? 0 : size * random.nextDouble(), tokens);
            Operand starts = f.input("starts", DType.I32, (random, i) -> start[i], 2L * pairs);
            Operand ends = f.input("ends", DType.I32, (random, i) -> end[i], 2L * pairs);
            Operand reference = kind == PreferenceKind.ORPO ? null : f.input("reference", DType.F64, Draw.uniform(-most, 0), 2L * pairs);
            Operand results = f.output("results", DType.F64, pairs, 4);
            Operand weight = weighted ? f.output("token_weight", DType.F32, tokens) : null;
            f.oracle(() -> expect(start, end, targets, loss, reference, results, weight));
            return () -> f.ops().head().preferenceLoss(results.tensor(), Fixture.tensorOrNull(weight), loss.tensor(), targets.tensor(),
                starts.tensor(), ends.tensor(), Fixture.tensorOrNull(reference), kind, strength, scale);
        }

        private static boolean ends(int[] end, int at) {
            return Arrays.stream(end).anyMatch(e -> e == at);
        }

        private void expect(int[] start, int[] end, Operand targets, Operand loss, @Nullable Operand reference, Operand results,
            @Nullable Operand weight) {
            for (int t = 0; weight != null && t < targets.values().length; t++) {
                weight.expect(t, 0, 0);
            }
            for (int i = 0; i < pairs; i++) {
                double[] logp = new double[2];
                int[] counted = new int[2];
                for (int side = 0; side < 2; side++) {
                    for (int t = start[i + side * pairs]; t < end[i + side * pairs]; t++) {
                        logp[side] -= loss.value(t);
                        counted[side] += targets.value(t) == Labels.IGNORE_INDEX ? 0 : 1;
                    }
                }
                Pair pair = Pair.of(kind, strength, logp, counted, reference == null ? 0 : reference.value(i),
                    reference == null ? 0 : reference.value(i + pairs));
                // Everything is in f64; 1 - exp(-1e-7) keeps nine of its sixteen digits.
                double error = 1e-13 * most * (1 + strength) * (1 + 1 / strength);
                double[] expected = {logp[0], logp[1], pair.margin, pair.loss};
                for (int k = 0; k < 4; k++) {
                    results.expect(4 * i + k, expected[k], error * (1 + Math.abs(expected[k])));
                }
                for (int side = 0; weight != null && side < 2; side++) {
                    double value = scale * (side == 0 ? pair.alignedWeight : pair.unalignedWeight);
                    for (int t = start[i + side * pairs]; t < end[i + side * pairs]; t++) {
                        if (targets.value(t) != Labels.IGNORE_INDEX) {
                            weight.expect(t, value, Sum.EPS * Math.abs(value));
                        }
                    }
                }
            }
        }
    }
}
