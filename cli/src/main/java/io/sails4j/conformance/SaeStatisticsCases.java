package io.sails4j.conformance;

import io.sails4j.conformance.SaeEncodeCases.Encoder;
import io.sails4j.ops.SaeActivation;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * Feature statistics in the encoder's pass. As in {@link SaeEncodeCases} every z is exact in float32, and so are the weights and their
 * products with z in double: every bit of the sums is determined.
 */
public final class SaeStatisticsCases {
    private SaeStatisticsCases() {
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (DType type : ElementwiseCases.FLOATS) {
            for (SaeActivation activation : List.of(SaeActivation.RELU, SaeActivation.JUMPRELU, SaeActivation.GATED)) {
                for (int[] s : new int[][] {{0, 8, 16, 2}, {1, 1, 1, 1}, {3, 17, 33, 2}, {19, 31, 257, 5}, {131, 64, 130, 2},
                    {5, 300, 1031, 3}}) {
                    cases.add(new Statistics(s[0], s[1], s[2], s[3], activation, 0, s[0] % 2 == 1, s[0] % 2 == 0, s[0] > 1, type));
                }
                for (SaeEncodeCases.Rare s : SaeEncodeCases.RARE) {
                    cases
                        .add(new Statistics(s.tokens(), s.dIn(), s.dSae(), s.tokens() % 4, activation, s.shift(), true, s.tokens() % 2 == 0,
                            s.tokens() > 100, type));
                }
                // No class at all.
                cases.add(new Statistics(7, 5, 40, 0, activation, 0, true, true, true, type));
            }
            // Around blocks of 256 tokens and 4096 features, which are cut without regard to the activation.
            cases.add(new Statistics(257, 3, 4099, 2, SaeActivation.RELU, 0, true, true, true, type));
            cases.add(new Statistics(9, 16, 40, 3, SaeActivation.RELU, 0, false, false, false, type));
        }
        return cases;
    }

    /**
     * sum, sum_squares, active.
     *
     * @param shift what every bias is less, so that fewer features are active
     */
    public record Statistics(int tokens, int dIn, int dSae, int nClasses, SaeActivation activation, int shift, boolean withBias,
        boolean withScale, boolean withAll, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "sae_statistics";
        }

        @Override
        public double flops() {
            return 2.0 * tokens * dIn * dSae;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Encoder e = Encoder.draw(f, tokens, dIn, dSae, activation, shift, withBias, withScale, dtype);
            Operand tokenClass = f.input("token_class", DType.I32, Draw.ints(-1, nClasses), tokens);
            Operand weight = withAll ? f.input("token_weight", DType.F32, Draw.uniform(0, 2), tokens) : null;
            Operand sum = f.updated("sum", DType.F64, Draw.normal(1), nClasses, dSae);
            Operand squares = withAll ? f.updated("sum_squares", DType.F64, Draw.uniform(0, 1), nClasses, dSae) : null;
            Operand active = withAll ? f.updated("active", DType.F64, Draw.ints(0, 100), nClasses, dSae) : null;
            f.oracle(() -> expect(e, tokenClass, weight, sum, squares, active));
            return () -> f.ops().sae().saeStatistics(sum.tensor(), Fixture.tensorOrNull(squares), Fixture.tensorOrNull(active),
                e.x().tensor(),
                e.wEnc().tensor(), Fixture.tensorOrNull(e.bias()), Fixture.tensorOrNull(e.threshold()), Fixture.tensorOrNull(e.scale()),
                Fixture.tensorOrNull(e.gateBias()), tokenClass.tensor(), Fixture.tensorOrNull(weight), activation);
        }

        private void expect(Encoder e, Operand tokenClass, @Nullable Operand weight, Operand sum, @Nullable Operand squares,
            @Nullable Operand active) {
            double[] sums = sum.values().clone();
            double[] squareSums = squares == null ? new double[sums.length] : squares.values().clone();
            double[] counts = active == null ? new double[sums.length] : active.values().clone();
            double[] size = new double[sums.length];
            for (int t = 0; t < tokens; t++) {
                int c = (int) tokenClass.value(t);
                for (int i : c < 0 ? new int[0] : e.active(t, 0)) {
                    double value = e.z()[t * dSae + i];
                    double w = weight == null ? 1 : weight.value(t);
                    sums[c * dSae + i] += w * value;
                    squareSums[c * dSae + i] += w * value * value;
                    size[c * dSae + i] += w * value * value;
                    counts[c * dSae + i]++;
                }
            }
            for (int i = 0; i < sums.length; i++) {
                sum.expectExactly(i, sums[i]);
                if (squares != null && active != null) {
                    // w * value^2 has up to 72 bits: its rounding may or may not be fused away.
                    squares.expect(i, squareSums[i], 0x1p-53 * (counts[i] + 2) * (size[i] + 1));
                    active.expectExactly(i, counts[i]);
                }
            }
        }
    }
}
