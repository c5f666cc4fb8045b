package io.sails4j.conformance;

import io.sails4j.conformance.SaeEncodeCases.Codes;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** What is done with sparse codes: decoding, both gradients, dense form, statistics. */
public final class SaeDecodeCases {
    private SaeDecodeCases() {
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (int[] s : new int[][] {{0, 8, 16, 4}, {1, 1, 1, 1}, {3, 17, 33, 33}, {5, 64, 512, 40}, {19, 31, 257, 9}, {7, 300, 1031, 130},
            {4, 127, 50, 20}, {4, 128, 51, 20}, {5, 129, 50, 50}, {3, 2312, 40, 9}}) {
            for (DType type : ElementwiseCases.FLOATS) {
                boolean odd = s[0] % 2 == 1;
                cases.add(new EncodeBackward(s[0], s[1], s[2], s[3], odd, type));
                cases.add(new Decode(s[0], s[1], s[2], s[3], odd, !odd || s[0] == 7, type));
                cases.add(new DecodeBackward(s[0], s[1], s[2], s[3], !odd || s[0] == 7, type));
                cases.add(new Adjoint(s[0], s[1], s[2], s[3], type));
            }
            cases.add(new Densify(s[0], s[2], s[3]));
            cases.add(new Accumulate(s[0], s[2], s[3], 3, true, false));
            cases.add(new Accumulate(s[0], s[2], s[3], 2, false, true));
        }
        cases.add(new Decode(3, 8, 16, 0, true, false, DType.F32));
        cases.add(new Accumulate(200, 61, 20, 2, true, true));
        return cases;
    }

    private static @Nullable Operand scale(Fixture f, boolean wanted, int dSae) {
        return wanted ? f.input("scale", DType.F32, Draw.uniform(0.25, 2), dSae) : null;
    }

    private static double factor(@Nullable Operand scale, int i) {
        return scale == null ? 1 : scale.value(i);
    }

    /** dx = sum of dvalues * scale * w_enc[:, i]. */
    public record EncodeBackward(int tokens, int dIn, int dSae, int capacity, boolean withScale, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "sae_encode_backward";
        }

        @Override
        public double flops() {
            return 2.0 * tokens * capacity * dIn;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Codes codes = Codes.draw(f, tokens, dSae, capacity);
            Operand wEnc = f.input("w_enc", dtype, Draw.normal(1), dIn, dSae);
            Operand scale = scale(f, withScale, dSae);
            Operand dx = f.output("dx", DType.F32, tokens, dIn);
            f.oracle(() -> {
                for (int at = 0; at < tokens * dIn; at++) {
                    Sum sum = new Sum();
                    for (int slot = 0; slot < codes.count(at / dIn); slot++) {
                        int i = codes.index(at / dIn, slot);
                        double term = codes.value(at / dIn, slot) * factor(scale, i) * wEnc.value(at % dIn * dSae + i);
                        sum.add(term, Sum.EPS * Math.abs(term));
                    }
                    dx.expect(at, sum.value(), sum.error());
                }
            });
            return () -> f.ops().sae().saeEncodeBackward(dx.tensor(), codes.values().tensor(), codes.indices().tensor(),
                codes.counts().tensor(), wEnc.tensor(), Fixture.tensorOrNull(scale));
        }
    }

    /** recon of one element. */
    private static Sum recon(Codes codes, Operand wDec, @Nullable Operand bias, @Nullable Operand scale, int t, int d, int dIn) {
        Sum sum = new Sum();
        sum.add(bias == null ? 0 : bias.value(d));
        for (int slot = 0; slot < codes.count(t); slot++) {
            int i = codes.index(t, slot);
            double term = codes.value(t, slot) * factor(scale, i) * wDec.value(i * dIn + d);
            sum.add(term, Sum.EPS * Math.abs(term));
        }
        return sum;
    }

    /** recon = bias + sum of value * scale * w_dec[i, :]. */
    public record Decode(int tokens, int dIn, int dSae, int capacity, boolean withBias, boolean withScale, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "sae_decode";
        }

        @Override
        public double flops() {
            return 2.0 * tokens * capacity * dIn;
        }

        @Override
        public Runnable prepare(Fixture f) {
            // Several slices of whole vectors.
            if (dIn % 8 == 0 && dIn > 2048) {
                f.aligned();
            }
            Codes codes = Codes.draw(f, tokens, dSae, capacity);
            Operand wDec = f.input("w_dec", dtype, Draw.normal(1), dSae, dIn);
            Operand bias = withBias ? f.input("bias", DType.F32, Draw.normal(1), dIn) : null;
            Operand scale = scale(f, withScale, dSae);
            Operand recon = f.output("recon", DType.F32, tokens, dIn);
            f.oracle(() -> {
                for (int at = 0; at < tokens * dIn; at++) {
                    Sum sum = recon(codes, wDec, bias, scale, at / dIn, at % dIn, dIn);
                    recon.expect(at, sum.value(), sum.error());
                }
            });
            return () -> f.ops().sae().saeDecode(recon.tensor(), codes.indices().tensor(), codes.values().tensor(), codes.counts().tensor(),
                wDec.tensor(), Fixture.tensorOrNull(bias), Fixture.tensorOrNull(scale));
        }
    }

    /** dvalues = scale * &lt;drecon, w_dec[i]&gt;. */
    public record DecodeBackward(int tokens, int dIn, int dSae, int capacity, boolean withScale, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "sae_decode_backward";
        }

        @Override
        public double flops() {
            return 2.0 * tokens * capacity * dIn;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Codes codes = Codes.draw(f, tokens, dSae, capacity);
            Operand wDec = f.input("w_dec", dtype, Draw.normal(1), dSae, dIn);
            Operand drecon = f.input("drecon", DType.F32, Draw.normal(1), tokens, dIn);
            Operand scale = scale(f, withScale, dSae);
            Operand dvalues = f.output("dvalues", DType.F32, tokens, capacity);
            f.oracle(() -> {
                dvalues.expectUntouched();
                for (int t = 0; t < tokens; t++) {
                    for (int slot = 0; slot < codes.count(t); slot++) {
                        int i = codes.index(t, slot);
                        Sum sum = new Sum();
                        for (int d = 0; d < dIn; d++) {
                            sum.add(factor(scale, i) * drecon.value(t * dIn + d) * wDec.value(i * dIn + d));
                        }
                        dvalues.expect(t * capacity + slot, sum.value(), sum.error());
                    }
                }
            });
            return () -> f.ops().sae().saeDecodeBackward(dvalues.tensor(), drecon.tensor(), codes.indices().tensor(),
                codes.counts().tensor(), wDec.tensor(), Fixture.tensorOrNull(scale));
        }
    }

    /** &lt;drecon, decode(values)&gt; = &lt;decodeBackward(drecon), values&gt;. */
    public record Adjoint(int tokens, int dIn, int dSae, int capacity, DType dtype) implements OpCase {
        @Override
        public String operation() {
            return "sae_decode_backward";
        }

        @Override
        public double flops() {
            return 4.0 * tokens * capacity * dIn;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Codes codes = Codes.draw(f, tokens, dSae, capacity);
            Operand wDec = f.input("w_dec", dtype, Draw.normal(1), dSae, dIn);
            Operand scale = scale(f, true, dSae);
            Operand drecon = f.input("drecon", DType.F32, Draw.normal(1), tokens, dIn);
            Operand recon = f.intermediate("recon", DType.F32, tokens, dIn);
            Operand dvalues = f.intermediate("dvalues", DType.F32, tokens, capacity);
            f.oracle(() -> {
                double[] forward = recon.download();
                double[] backward = dvalues.download();
                Sum left = new Sum();
                for (int at = 0; at < tokens * dIn; at++) {
                    Sum exact = recon(codes, wDec, null, scale, at / dIn, at % dIn, dIn);
                    left.add(drecon.value(at) * forward[at], exact.error() * Math.abs(drecon.value(at)));
                }
                Sum right = new Sum();
                for (int t = 0; t < tokens; t++) {
                    for (int slot = 0; slot < codes.count(t); slot++) {
                        right.add(backward[t * capacity + slot] * codes.value(t, slot));
                    }
                }
                // The same products are summed in two orders: both sums are off by no more than the first one's bound.
                f.compare("<dy, J dx> = <J^T dy, dx>", left.value(), right.value(), 4 * (2 * left.error() + right.error()));
            });
            return () -> {
                f.ops().sae().saeDecode(recon.tensor(), codes.indices().tensor(), codes.values().tensor(), codes.counts().tensor(),
                    wDec.tensor(), null, Fixture.tensorOrNull(scale));
                f.ops().sae().saeDecodeBackward(dvalues.tensor(), drecon.tensor(), codes.indices().tensor(), codes.counts().tensor(),
                    wDec.tensor(), Fixture.tensorOrNull(scale));
            };
        }
    }

    /** The codes written out densely. */
    public record Densify(int tokens, int dSae, int capacity) implements OpCase {
        @Override
        public String operation() {
            return "sae_densify";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return 0;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Codes codes = Codes.draw(f, tokens, dSae, capacity);
            Operand acts = f.output("acts", DType.F32, tokens, dSae);
            f.oracle(() -> {
                for (int at = 0; at < tokens * dSae; at++) {
                    acts.expectExactly(at, 0);
                }
                for (int t = 0; t < tokens; t++) {
                    for (int slot = 0; slot < codes.count(t); slot++) {
                        acts.expectExactly(t * dSae + codes.index(t, slot), codes.value(t, slot));
                    }
                }
            });
            return () -> f.ops().sae().saeDensify(acts.tensor(), codes.indices().tensor(), codes.values().tensor(),
                codes.counts().tensor());
        }
    }

    /** Sums and counts of each class, in double. */
    public record Accumulate(int tokens, int dSae, int capacity, int nClasses, boolean withActive, boolean withWeight) implements OpCase {
        @Override
        public String operation() {
            return "sae_accumulate";
        }

        @Override
        public DType dtype() {
            return DType.F64;
        }

        @Override
        public double flops() {
            return 2.0 * tokens * capacity;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Codes codes = Codes.draw(f, tokens, dSae, capacity);
            Operand tokenClass = f.input("token_class", DType.I32, Draw.ints(-1, nClasses), tokens);
            Operand weight = withWeight ? f.input("token_weight", DType.F32, Draw.uniform(0, 2), tokens) : null;
            Operand sum = f.updated("sum", DType.F64, Draw.normal(1), nClasses, dSae);
            Operand active = withActive ? f.updated("active", DType.F64, Draw.ints(0, 100), nClasses, dSae) : null;
            f.oracle(() -> expect(codes, tokenClass, weight, sum, active));
            return () -> f.ops().sae().saeAccumulate(sum.tensor(), Fixture.tensorOrNull(active), codes.indices().tensor(),
                codes.values().tensor(), codes.counts().tensor(), tokenClass.tensor(), Fixture.tensorOrNull(weight));
        }

        /** Products of floats are exact in double and the order is prescribed: every bit is determined. */
        private void expect(Codes codes, Operand tokenClass, @Nullable Operand weight, Operand sum, @Nullable Operand active) {
            double[] sums = sum.values().clone();
            double[] actives = active == null ? new double[sums.length] : active.values().clone();
            for (int t = 0; t < tokens; t++) {
                int c = (int) tokenClass.value(t);
                for (int slot = 0; c >= 0 && slot < codes.count(t); slot++) {
                    int at = c * dSae + codes.index(t, slot);
                    sums[at] += factor(weight, t) * codes.value(t, slot);
                    actives[at]++;
                }
            }
            for (int i = 0; i < sums.length; i++) {
                sum.expectExactly(i, sums[i]);
                if (active != null) {
                    active.expectExactly(i, actives[i]);
                }
            }
        }
    }
}
