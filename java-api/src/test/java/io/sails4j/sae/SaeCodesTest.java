package io.sails4j.sae;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.ops.Engine;
import io.sails4j.tensor.TensorArena;
import io.sails4j.testing.Backends;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Encode and decode against scalar double code, one architecture at a time; formulas of SAELens sae_lens/saes. */
class SaeCodesTest {
    private static final int D_IN = 7;
    /** More than the room for active features that an SAE starts with, so that encode has to ask again. */
    private static final int D_SAE = 211;
    private static final int TOKENS = 5;
    /** z is a sum of D_IN products of numbers up to about 4, x^ of up to D_SAE: c * eps * length * scale. */
    private static final double Z_BOUND = 4 * 0x1p-24 * D_IN * 32;
    private static final double RECON_BOUND = 4 * 0x1p-24 * D_SAE * 64;

    @TempDir
    private Path directory;

    /** What a row should give. */
    private interface Oracle {
        double[] acts(double[] x);
    }

    private static double[] pre(SaeFixture sae, double[] x, String bias) {
        float[] wEnc = sae.array("W_enc");
        float[] b = sae.array(bias);
        double[] z = new double[D_SAE];
        for (int i = 0; i < D_SAE; i++) {
            z[i] = b[i];
            for (int j = 0; j < D_IN; j++) {
                z[i] += x[j] * wEnc[j * D_SAE + i];
            }
        }
        return z;
    }

    private static double[] minus(double[] x, float[] row) {
        double[] out = x.clone();
        for (int j = 0; j < out.length; j++) {
            out[j] -= row[j];
        }
        return out;
    }

    private void check(SaeFixture fixture, Path path, Oracle oracle) {
        float[] x = SaeFixture.draw(new Random(11), TOKENS * D_IN);
        float[] wDec = fixture.array("W_dec");
        float[] bDec = fixture.array("b_dec");
        int compared = 0;
        try (Engine engine = Backends.open("cpu", 2); Sae sae = Sae.load(path, engine);
             TensorArena memory = new TensorArena(engine.device())) {
            SparseCodes codes = sae.encode(memory.of(x, TOKENS, D_IN), memory);
            float[] acts = sae.densify(codes, memory).toFloatArray();
            float[] recon = sae.decode(codes, memory).toFloatArray();
            int[] counts = codes.counts().toIntArray();
            for (int t = 0; t < TOKENS; t++) {
                double[] row = new double[D_IN];
                for (int j = 0; j < D_IN; j++) {
                    row[j] = x[t * D_IN + j];
                }
                double[] expected = oracle.acts(row);
                assertThat(counts[t]).isEqualTo((int) Arrays.stream(expected).filter(a -> a > 0).count());
                for (int i = 0; i < D_SAE; i++) {
                    assertThat((double) acts[t * D_SAE + i]).isCloseTo(expected[i], within(Z_BOUND));
                    compared += expected[i] > 0 ? 1 : 0;
                }
                for (int j = 0; j < D_IN; j++) {
                    double sum = bDec[j];
                    for (int i = 0; i < D_SAE; i++) {
                        sum += expected[i] * wDec[i * D_IN + j];
                    }
                    assertThat((double) recon[t * D_IN + j]).isCloseTo(sum, within(RECON_BOUND));
                }
            }
            assertThat(codes.l0()).isEqualTo(Arrays.stream(counts).average().orElseThrow());
            assertThat(sae.encode(memory.of(new float[0], 0, D_IN), memory).l0()).isZero();
        }
        assertThat(compared).isPositive();
    }

    @Test
    void standardSubtractsTheDecoderBias() {
        SaeFixture sae = new SaeFixture(D_IN, D_SAE, 1, "b_enc");
        check(sae, sae.saeLens(directory),
            x -> Arrays.stream(pre(sae, minus(x, sae.array("b_dec")), "b_enc")).map(z -> Math.max(z, 0)).toArray());
    }

    @Test
    void jumpreluOfGemmaScopeDoesNot() {
        SaeFixture sae = SaeFixture.jumprelu(D_IN, D_SAE);
        float[] threshold = sae.array("threshold");
        check(sae, sae.gemmaScope(directory), x -> {
            double[] z = pre(sae, x, "b_enc");
            for (int i = 0; i < z.length; i++) {
                z[i] = z[i] > threshold[i] && z[i] > 0 ? z[i] : 0;
            }
            return z;
        });
    }

    @Test
    void topkOfALegacyConfiguration() {
        SaeFixture sae = new SaeFixture(D_IN, D_SAE, 3, "b_enc")
            .with(
                "\"architecture\": \"standard\", \"activation_fn_str\": \"topk\", \"activation_fn_kwargs\": {\"k\": 70},"
                    + " \"apply_b_dec_to_input\": false,");
        check(sae, sae.saeLens(directory), x -> {
            double[] z = pre(sae, x, "b_enc");
            double[] sorted = z.clone();
            Arrays.sort(sorted);
            double least = sorted[D_SAE - 70];
            return Arrays.stream(z).map(v -> v >= least ? Math.max(v, 0) : 0).toArray();
        });
    }

    @Test
    void gated() {
        SaeFixture sae = new SaeFixture(D_IN, D_SAE, 4, "b_gate", "b_mag", "r_mag")
            .with("\"architecture\": \"gated\", \"apply_b_dec_to_input\": false,");
        float[] rMag = sae.array("r_mag");
        float[] bMag = sae.array("b_mag");
        float[] bGate = sae.array("b_gate");
        check(sae.with("r_mag", halved(rMag), D_SAE), sae.saeLens(directory), x -> {
            double[] gate = pre(sae, x, "b_gate");
            double[] acts = new double[D_SAE];
            for (int i = 0; i < D_SAE; i++) {
                double magnitude = (gate[i] - bGate[i]) * Math.exp(sae.array("r_mag")[i]) + bMag[i];
                acts[i] = gate[i] > 0 ? Math.max(magnitude, 0) : 0;
            }
            return acts;
        });
    }

    private static float[] halved(float[] values) {
        float[] out = new float[values.length];
        for (int i = 0; i < out.length; i++) {
            out[i] = values[i] / 2;
        }
        return out;
    }

    @Test
    void metrics() {
        SaeMetrics metrics = SaeMetrics.of(new float[] {1, 2, 3, 6}, new float[] {1, 2, 3, 5}, 2, 3);
        assertThat(metrics).isEqualTo(new SaeMetrics(2, 3, 0.25, 0.1));
        assertThat(SaeMetrics.of(new float[] {1, 2}, new float[] {1, 3}, 2, 0).fvu()).isNaN();
        assertThat(SaeMetrics.of(new float[0], new float[0], 2, 0)).isEqualTo(new SaeMetrics(0, 0, 0, 0));
    }
}
