package io.sails4j.conformance;

import io.sails4j.ops.SaeActivation;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Sparse encoding. All numbers are multiples of a power of two, so that float32 computes every z exactly: which features are active is then
 * compared exactly, also where z equals its threshold or where two z are equal.
 */
public final class SaeEncodeCases {
    private SaeEncodeCases() {
    }

    /** A shape whose features are active as rarely as {@code shift} makes them. */
    record Rare(int tokens, int dIn, int dSae, int capacity, int shift) {
    }

    /**
     * Rows of whole vectors, which bulk copies take, around tiles of 128 tokens and 256 features, some with several tiles a block. A tile
     * keeps 8 active features of a token: most tokens have some tiles with fewer and some with more, in the last shape but one all have
     * more.
     */
    static final List<Rare> RARE = List.of(new Rare(72, 16, 264, 264, 7), new Rare(136, 24, 520, 30, 9), new Rare(257, 8, 768, 768, 5),
        new Rare(66, 16, 512, 512, 0), new Rare(130, 136, 248, 248, 18));

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (DType type : ElementwiseCases.FLOATS) {
            for (int[] s : new int[][] {{0, 8, 16}, {1, 1, 1}, {3, 17, 33}, {5, 64, 512}, {19, 31, 257}, {2, 300, 1031}}) {
                for (SaeActivation activation : SaeActivation.values()) {
                    int k = activation == SaeActivation.TOPK ? Math.min(s[2], 7) : 0;
                    boolean tight = s[0] == 5;
                    cases.add(new Encode(s[0], s[1], s[2], tight ? 5 : s[2], activation, k, 0, true, s[0] % 2 == 0, type));
                }
            }
            // Around blocks of 256 tokens and 4096 features, which are cut without regard to the activation.
            for (SaeActivation activation : List.of(SaeActivation.RELU, SaeActivation.TOPK)) {
                boolean topk = activation == SaeActivation.TOPK;
                cases.add(new Encode(257, 3, 4099, 64, activation, topk ? 50 : 0, 0, true, false, type));
                cases.add(new Encode(2, 5, 8193, 8193, activation, topk ? 5000 : 0, 0, true, true, type));
            }
            for (Rare s : RARE) {
                cases.add(new Encode(s.tokens, s.dIn, s.dSae, s.capacity, SaeActivation.RELU, 0, s.shift, true, s.tokens % 3 == 0, type));
                cases.add(
                    new Encode(s.tokens, s.dIn, s.dSae, s.capacity, SaeActivation.JUMPRELU, 0, s.shift, true, s.tokens % 3 == 1, type));
                cases.add(new Encode(s.tokens, s.dIn, s.dSae, s.capacity, SaeActivation.GATED, 0, s.shift, true, true, type));
            }
            cases.add(new Encode(128, 40, 256, 40, SaeActivation.TOPK, 20, 0, true, true, type));
            cases.add(new Encode(4, 16, 40, 40, SaeActivation.TOPK, 40, 0, true, false, type));
            cases.add(new Encode(4, 16, 40, 40, SaeActivation.TOPK, 0, 0, true, false, type));
            cases.add(new Encode(4, 16, 40, 40, SaeActivation.TOPK, 1, 0, false, true, type));
            cases.add(new Encode(4, 16, 40, 3, SaeActivation.RELU, 0, 0, false, false, type));
            cases.add(new Encode(4, 16, 40, 0, SaeActivation.RELU, 0, 0, true, false, type));
        }
        return cases;
    }

    /**
     * Indices, values, counts.
     *
     * @param shift what every bias is less, so that fewer features are active
     */
    public record Encode(int tokens, int dIn, int dSae, int capacity, SaeActivation activation, int k, int shift, boolean withBias,
        boolean withScale, DType dtype)
        implements OpCase {
        @Override
        public String operation() {
            return "sae_encode";
        }

        @Override
        public double flops() {
            return 2.0 * tokens * dIn * dSae;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Encoder e = Encoder.draw(f, tokens, dIn, dSae, activation, shift, withBias, withScale, dtype);
            Operand indices = f.output("indices", DType.I32, tokens, capacity);
            Operand values = f.output("values", DType.F32, tokens, capacity);
            Operand counts = f.output("counts", DType.I32, tokens);
            f.oracle(() -> {
                indices.expectUntouched();
                values.expectUntouched();
                for (int t = 0; t < tokens; t++) {
                    expectRow(t, e.active(t, k), e.z, indices, values, counts);
                }
            });
            return () -> f.ops().sae().saeEncode(indices.tensor(), values.tensor(), counts.tensor(), e.x.tensor(), e.wEnc.tensor(),
                Fixture.tensorOrNull(e.bias), Fixture.tensorOrNull(e.threshold), Fixture.tensorOrNull(e.scale),
                Fixture.tensorOrNull(e.gateBias), activation, k);
        }

        private void expectRow(int t, int[] active, double[] z, Operand indices, Operand values, Operand counts) {
            counts.expectExactly(t, active.length);
            for (int slot = 0; slot < Math.min(active.length, capacity); slot++) {
                indices.expectExactly(t * capacity + slot, active[slot]);
                values.expectExactly(t * capacity + slot, z[t * dSae + active[slot]]);
            }
        }
    }

    /** A drawn encoder and its input, with z [tokens, d_sae] and the gate's (z itself where there is none). */
    record Encoder(SaeActivation activation, int dSae, Operand x, Operand wEnc, @Nullable Operand bias, @Nullable Operand threshold,
        @Nullable Operand scale, @Nullable Operand gateBias, double[] z, double[] gate) {
        /** Active features of a token where encoders are timed, as of Gemma Scope's. */
        private static final double TIMED_L0 = 80;

        static Encoder draw(Fixture f, int tokens, int dIn, int dSae, SaeActivation activation, int shift, boolean withBias,
            boolean withScale, DType dtype) {
            if (tokens > 64 && dIn % 8 == 0 && dSae % 8 == 0) {
                f.aligned();
            }
            // 10 bits (8 in bf16) times 5 bits, summed over up to 300: 24 bits.
            Operand x = f.input("x", dtype, dtype == DType.F32 ? Draw.dyadic(511, 256) : Draw.dyadic(127, 64), tokens, dIn);
            Operand wEnc = f.input("w_enc", dtype, Draw.dyadic(15, 16), dIn, dSae);
            Operand bias = withBias ? f.input("bias", DType.F32, shifted(Draw.dyadic(64, 16), shift), dSae) : null;
            Operand scale = withScale ? f.input("scale", DType.F32, (random, i) -> Math.pow(2, random.nextInt(-1, 2)), dSae) : null;
            double[] plain = f.isTimed() ? new double[0] : products(x, wEnc, tokens, dIn, dSae);
            double[] z = f.isTimed() ? plain : affine(plain, scale, bias, dSae);
            Draw thresholds = f.isTimed() ? Draw.constant(timedThreshold(dIn, dSae, dtype)) : thresholds(z, tokens, dSae);
            Draw gateBiases = f.isTimed() ? Draw.constant(-timedThreshold(dIn, dSae, dtype)) : gateBiases(plain, tokens, dSae);
            Operand threshold = activation == SaeActivation.JUMPRELU ? f.input("threshold", DType.F32, thresholds, dSae) : null;
            Operand gateBias = activation == SaeActivation.GATED ? f.input("gate_bias", DType.F32, gateBiases, dSae) : null;
            return new Encoder(activation, dSae, x, wEnc, bias, threshold, scale, gateBias, z,
                gateBias == null || f.isTimed() ? z : affine(plain, null, gateBias, dSae));
        }

        /**
         * What about {@link #TIMED_L0} features of a token pass: z is nearly normal, and its tail above t is about exp(-t^2 / 2) / (t
         * sqrt(2 pi)).
         */
        private static double timedThreshold(int dIn, int dSae, DType dtype) {
            double share = Math.min(0.25, TIMED_L0 / dSae);
            double t = 1;
            for (int i = 0; i < 20; i++) {
                t = Math.sqrt(Math.max(0.25, -2 * Math.log(share * t * Math.sqrt(2 * Math.PI))));
            }
            // x is uniform over +-511/256 or +-127/64, w over +-15/16.
            double deviation = (dtype == DType.F32 ? 511 / 256.0 : 127 / 64.0) * (15 / 16.0) / 3;
            return t * deviation * Math.sqrt(dIn);
        }

        private static Draw shifted(Draw draw, int shift) {
            return (random, i) -> draw.next(random, i) - shift;
        }

        /** Below 0, at 0, above, and for every fourth feature exactly the z of some token, which is then not active. */
        private static Draw thresholds(double[] z, int tokens, int dSae) {
            return (random, i) -> i % 4 == 0 && tokens > 0 ? z[random.nextInt(tokens) * dSae + i] : random.nextInt(-32, 64) / 16.0;
        }

        /** For every fourth feature the gate of some token is exactly 0, which is closed. */
        private static Draw gateBiases(double[] plain, int tokens, int dSae) {
            return (random, i) -> i % 4 == 0 && tokens > 0 ? -plain[random.nextInt(tokens) * dSae + i] : random.nextInt(-32, 32) / 16.0;
        }

        /** x w_enc. */
        private static double[] products(Operand x, Operand wEnc, int tokens, int dIn, int dSae) {
            double[] z = new double[tokens * dSae];
            for (int t = 0; t < tokens; t++) {
                for (int j = 0; j < dIn; j++) {
                    for (int i = 0; i < dSae; i++) {
                        z[t * dSae + i] += x.value(t * dIn + j) * wEnc.value(j * dSae + i);
                    }
                }
            }
            return z;
        }

        private static double[] affine(double[] plain, @Nullable Operand scale, @Nullable Operand bias, int dSae) {
            double[] z = new double[plain.length];
            for (int i = 0; i < z.length; i++) {
                z[i] = plain[i] * (scale == null ? 1 : scale.value(i % dSae)) + (bias == null ? 0 : bias.value(i % dSae));
            }
            return z;
        }

        /** The active features of token t, ids rising. */
        int[] active(int t, int k) {
            int from = t * dSae;
            return switch (activation) {
                case RELU -> IntStream.range(0, dSae).filter(i -> z[from + i] > 0).toArray();
                case JUMPRELU -> IntStream.range(0, dSae)
                    .filter(i -> z[from + i] > 0 && threshold != null && z[from + i] > threshold.value(i)).toArray();
                case TOPK -> IntStream.range(0, dSae).boxed()
                    .sorted(Comparator.comparingDouble((Integer i) -> -z[from + i]).thenComparing(i -> i)).limit(k)
                    .filter(i -> z[from + i] > 0).sorted().mapToInt(i -> i).toArray();
                case GATED -> IntStream.range(0, dSae).filter(i -> gate[from + i] > 0 && z[from + i] > 0).toArray();
            };
        }
    }

    /** Drawn codes: rising ids in each row; slots past the count hold what must not be read. */
    record Codes(Operand indices, Operand values, Operand counts, int capacity) {
        static Codes draw(Fixture f, int tokens, int dSae, int capacity) {
            double[] indices = new double[tokens * capacity];
            double[] values = new double[tokens * capacity];
            double[] counts = new double[tokens];
            Arrays.fill(indices, Integer.MAX_VALUE);
            Arrays.fill(values, Double.NaN);
            for (int t = 0; t < tokens; t++) {
                int feature = -1;
                int count = 0;
                while (count < capacity && (t % 3 != 2 || f.isTimed())) {
                    feature += 1 + f.random().nextInt(Math.max(1, dSae / capacity));
                    if (feature >= dSae) {
                        break;
                    }
                    indices[t * capacity + count] = feature;
                    values[t * capacity + count++] = Math.abs(f.random().nextGaussian());
                }
                counts[t] = count;
            }
            return new Codes(f.input("indices", DType.I32, Draw.of(indices), tokens, capacity),
                f.input("values", DType.F32, Draw.of(values), tokens, capacity), f.input("counts", DType.I32, Draw.of(counts), tokens),
                capacity);
        }

        int count(int t) {
            return (int) counts.value(t);
        }

        int index(int t, int slot) {
            return (int) indices.value(t * capacity + slot);
        }

        double value(int t, int slot) {
            return values.value(t * capacity + slot);
        }
    }
}
