package io.sails4j.conformance;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.data.Offset.offset;

import io.sails4j.ops.AttentionShape;
import io.sails4j.ops.PreferenceKind;
import io.sails4j.tensor.DType;
import java.util.Arrays;
import java.util.SplittableRandom;
import java.util.function.Function;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** The oracles' own gradients against central differences of their forward passes: what judges the backends must itself be right. */
class OracleGradientTest {
    private final SplittableRandom random = new SplittableRandom(7);

    private double[] normal(int n) {
        return random.doubles(n, -1.5, 1.5).toArray();
    }

    private static double dot(double[] a, double[] b) {
        return IntStream.range(0, a.length).mapToDouble(i -> a[i] * b[i]).sum();
    }

    private static double[] values(Sum[] sums) {
        return Arrays.stream(sums).mapToDouble(Sum::value).toArray();
    }

    /** Every element of the gradient of {@code f} at {@code x}. */
    private static void check(double[] x, double[] gradient, Function<double[], Double> f) {
        assertThat(gradient).hasSameSizeAs(x);
        assertThat(x).isNotEmpty();
        for (int i = 0; i < x.length; i++) {
            double step = 1e-5;
            double[] up = x.clone();
            double[] down = x.clone();
            up[i] += step;
            down[i] -= step;
            double difference = (f.apply(up) - f.apply(down)) / (2 * step);
            // Truncation step^2 * f''' / 6 and rounding 2^-53 * f / step are both below 1e-8 here.
            assertThat(gradient[i]).as("element " + i).isCloseTo(difference, offset(1e-7 * (1 + Math.abs(difference))));
        }
    }

    @Test
    void rmsnorm() {
        int rows = 3;
        int d = 7;
        double[] x = normal(rows * d);
        double[] w = normal(d);
        double[] dy = normal(rows * d);
        double[] rstd = IntStream.range(0, rows).mapToDouble(i -> RmsNormCases.rstd(x, i, d, 1e-3)).toArray();
        double[] gradient = values(RmsNormCases.backward(dy, x, w, rstd, rows, d, 0.5));
        check(x, Arrays.copyOf(gradient, rows * d), v -> dot(dy, RmsNormCases.forward(v, w, new double[0], rows, d, 1e-3, 0.5)));
        check(w, Arrays.copyOfRange(gradient, rows * d, rows * d + d),
            v -> dot(dy, RmsNormCases.forward(x, v, new double[0], rows, d, 1e-3, 0.5)));
    }

    @Test
    void gelu() {
        double[] z = normal(11);
        check(z, Arrays.stream(z).map(ActivationCases::geluPrime).toArray(), v -> Arrays.stream(v).map(ActivationCases::gelu).sum());
    }

    @Test
    void silu() {
        double[] z = normal(11);
        check(z, Arrays.stream(z).map(ActivationCases::siluPrime).toArray(), v -> Arrays.stream(v).map(ActivationCases::silu).sum());
    }

    @Test
    void attention() {
        AttentionShape shape = new AttentionShape(2, 4, 6, 4, 2, 3, 6 * 2 * 3 + 5, 2, 4, 0.7f, 5);
        double[] q = normal((int) shape.queryElements());
        double[] k = normal((int) shape.minKvElements());
        double[] v = normal((int) shape.minKvElements());
        double[] qSegment = {1, 1, 2, 2, 0, 3, 3, 3};
        double[] kSegment = {1, 1, 1, 1, 2, 2, 0, 0, 3, 3, 3, 3};
        double[] dout = normal(q.length);
        AttentionOracle.Backward gradient = new AttentionOracle(shape, q, k, v, qSegment, kSegment, false).backward(dout);
        check(q, values(gradient.dq()), x -> attend(shape, x, k, v, qSegment, kSegment, dout));
        check(k, spread(shape, values(gradient.dk())), x -> attend(shape, q, x, v, qSegment, kSegment, dout));
        check(v, spread(shape, values(gradient.dv())), x -> attend(shape, q, k, x, qSegment, kSegment, dout));
    }

    private static double attend(AttentionShape shape, double[] q, double[] k, double[] v, double[] qs, double[] ks, double[] dout) {
        return dot(dout, values(new AttentionOracle(shape, q, k, v, qs, ks, false).forward().out()));
    }

    /** Dense gradients in the layout of k and v: zero in the spare room. */
    private static double[] spread(AttentionShape s, double[] dense) {
        double[] out = new double[(int) s.minKvElements()];
        int row = (int) (s.nKeys() * s.nKvHeads() * s.headDim());
        for (int b = 0; b < s.batch(); b++) {
            System.arraycopy(dense, b * row, out, (int) (b * s.kvBatchStride()), row);
        }
        return out;
    }

    @Test
    void headAndItsSoftcap() {
        int tokens = 3;
        int d = 4;
        int vocab = 9;
        double[] hidden = normal(tokens * d);
        double[] embed = normal(vocab * d);
        double[] targets = {2, -100, 8};
        double[] weight = {0.5, 3, 1.5};
        HeadCases.HeadOracle oracle = new HeadCases.HeadOracle(hidden, embed, targets, weight, d, 3, false);
        check(hidden, values(oracle.dhidden), x -> dot(weight, new HeadCases.HeadOracle(x, embed, targets, weight, d, 3, false).loss));
        check(embed, values(oracle.dembed), x -> dot(weight, new HeadCases.HeadOracle(hidden, x, targets, weight, d, 3, false).loss));
    }

    @Test
    void crossEntropy() {
        double[] logits = normal(12);
        check(logits, new HeadCases.Row(logits, new double[12], 5).dlogits, x -> new HeadCases.Row(x, new double[12], 5).loss);
    }

    /** The weights that the preference losses give to tokens are the derivatives by their losses. */
    @Test
    void preferences() {
        int[] counted = {3, 4};
        for (PreferenceKind kind : PreferenceKind.values()) {
            double[] loss = Arrays.stream(normal(7)).map(Math::abs).toArray();
            PreferenceCases.Pair pair = preference(kind, loss, counted);
            double[] gradient = IntStream.range(0, 7).mapToDouble(i -> i < 3 ? pair.alignedWeight() : pair.unalignedWeight()).toArray();
            check(loss, gradient, x -> preference(kind, x, counted).loss());
        }
    }

    private static PreferenceCases.Pair preference(PreferenceKind kind, double[] loss, int[] counted) {
        double[] logp = {-Arrays.stream(loss, 0, 3).sum(), -Arrays.stream(loss, 3, 7).sum()};
        return PreferenceCases.Pair.of(kind, 0.7, logp, counted, -1.5, -2);
    }

    @Test
    void lora() {
        LoraCases.Backward shape = new LoraCases.Backward(3, 5, 4, 2, 1.5f, true, DType.F32, DType.F32);
        double[] x = normal(15);
        double[] a = normal(10);
        double[] b = normal(8);
        double[] dy = normal(12);
        double[] gradient = values(shape.backward(dy, x, hidden(x, a), a, b));
        check(x, Arrays.copyOf(gradient, 15), v -> dot(dy, adapter(v, a, b)));
        check(a, Arrays.copyOfRange(gradient, 15, 25), v -> dot(dy, adapter(x, v, b)));
        check(b, Arrays.copyOfRange(gradient, 25, 33), v -> dot(dy, adapter(x, a, v)));
    }

    private static double[] hidden(double[] x, double[] a) {
        return IntStream.range(0, 6).mapToDouble(i -> LoraCases.dot(x, i / 2, a, i % 2, 5).value()).toArray();
    }

    private static double[] adapter(double[] x, double[] a, double[] b) {
        double[] h = hidden(x, a);
        return IntStream.range(0, 12).mapToDouble(i -> 1.5 * LoraCases.dot(h, i / 4, b, i % 4, 2).value()).toArray();
    }

    @Test
    void standardize() {
        int n = 6;
        double[] x = normal(n);
        double[] dy = normal(n);
        double[] gradient = values(StandardizeCases.backward(dy, 0.7, -0.3, x, StandardizeCases.mean(x, 0, n),
            StandardizeCases.std(x, 0, n), 1e-2));
        check(x, gradient, v -> {
            double mean = StandardizeCases.mean(v, 0, n);
            double std = StandardizeCases.std(v, 0, n);
            return dot(dy, Arrays.stream(v).map(value -> (value - mean) / (std + 1e-2)).toArray()) + 0.7 * mean - 0.3 * std;
        });
    }

    @Test
    void numbersAreRoundedOnce() {
        assertThat(Codec.round(1 + 0x1p-8, DType.BF16)).isEqualTo(1);
        assertThat(Codec.round(1 + 0x1p-8 + 0x1p-40, DType.BF16)).isEqualTo(1 + 0x1p-7);
        assertThat(Codec.round(1 + 0x3p-8, DType.BF16)).isEqualTo(1 + 0x1p-6);
        assertThat(Codec.round(-65520, DType.F16)).isEqualTo(Double.NEGATIVE_INFINITY);
        assertThat(Codec.round(65519.999999, DType.F16)).isEqualTo(65504);
        assertThat(Codec.round(1 + 0x1p-11 + 0x1p-50, DType.F16)).isEqualTo(1 + 0x1p-10);
        assertThat(Codec.round(Double.NaN, DType.BF16)).isNaN();
        assertThat(Codec.round(1e39, DType.BF16)).isEqualTo(Double.POSITIVE_INFINITY);
    }

    /** The scheme itself: a verdict that compared nothing, or an element that is off, or NaN must not pass. */
    @Test
    void aVerdictSeesWhatIsWrong() {
        Verdict verdict = new Verdict();
        verdict.compare("x", 0, 1.0, 1.0 + 1e-9, 1e-8);
        OpCase any = new ElementwiseCases.Axpby(1, 1, 1, DType.F32);
        assertThat(verdict.result(any).ok()).isTrue();
        verdict.compare("x", 1, Double.NaN, 1, 1e9);
        assertThat(verdict.result(any).ok()).isFalse();
        assertThat(verdict.result(any).comparisons()).isEqualTo(2);
    }
}
