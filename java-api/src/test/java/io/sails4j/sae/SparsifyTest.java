package io.sails4j.sae;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.TensorArena;
import io.sails4j.testing.Backends;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.SequencedMap;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** sparsify directories against scalar double code in the order of its own forward (EleutherAI/sparsify sparsify/sparse_coder.py). */
class SparsifyTest {
    private static final int D_IN = 9;
    private static final int D_SAE = 131;
    private static final int TOKENS = 6;
    private static final int K = 90;
    /** Sums of up to D_SAE products of numbers up to about 8: c * eps * length * scale. */
    private static final double BOUND = 4 * 0x1p-24 * D_SAE * 64;

    @TempDir
    private Path root;

    private final SequencedMap<String, HostTensor> arrays = new LinkedHashMap<>();
    private final ObjectNode json = new ObjectMapper().createObjectNode();

    SparsifyTest() {
        Random random = new Random(31);
        arrays.put("encoder.weight", HostTensor.ofFloats(SaeFixture.draw(random, D_IN * D_SAE), D_SAE, D_IN));
        arrays.put("encoder.bias", HostTensor.ofFloats(SaeFixture.draw(random, D_SAE), D_SAE));
        // Rows of any length: normalize_decoder is about training, what is stored is used as it is.
        arrays.put("W_dec", HostTensor.ofFloats(SaeFixture.draw(random, D_IN * D_SAE), D_SAE, D_IN));
        arrays.put("b_dec", HostTensor.ofFloats(SaeFixture.draw(random, D_IN), D_IN));
        json.put("activation", "topk").put("expansion_factor", 32).put("normalize_decoder", true).put("num_latents", D_SAE).put("k", K)
            .put("multi_topk", true).put("skip_connection", false).put("transcode", false).put("d_in", D_IN);
    }

    private Path write(String name) throws IOException {
        Path directory = Files.createDirectories(root.resolve(name));
        SafetensorsWriter.write(directory.resolve("sae.safetensors"), arrays, Map.of());
        Files.writeString(directory.resolve("cfg.json"), json.toString());
        return directory;
    }

    private double array(String name, int i) {
        return arrays.get(name).toFloatArray()[i];
    }

    /** relu((x - b_dec) encoder.weight^T + encoder.bias), of which the k greatest stay, [d_sae]. */
    private double[] acts(float[] x, int token) {
        float[] weight = arrays.get("encoder.weight").toFloatArray();
        double[] z = new double[D_SAE];
        for (int i = 0; i < D_SAE; i++) {
            z[i] = array("encoder.bias", i);
            for (int j = 0; j < D_IN; j++) {
                z[i] += (x[token * D_IN + j] - array("b_dec", j)) * weight[i * D_IN + j];
            }
            z[i] = Math.max(z[i], 0);
        }
        double[] sorted = z.clone();
        Arrays.sort(sorted);
        return Arrays.stream(z).map(v -> v >= sorted[D_SAE - K] ? v : 0).toArray();
    }

    private void check(Path directory, int k) throws IOException {
        float[] x = SaeFixture.draw(new Random(32), TOKENS * D_IN);
        float[] wDec = arrays.get("W_dec").toFloatArray();
        int active = 0;
        try (Engine engine = Backends.open("cpu", 2); Sae sae = Sae.load(directory, engine);
             TensorArena memory = new TensorArena(engine.device())) {
            assertThat(sae.config()).isEqualTo(new SaeConfig(SaeConfig.Architecture.TOPK, D_IN, D_SAE, true, false, k, false));
            assertThat(sae.hook().layer()).isEqualTo(12);
            SparseCodes codes = sae.encode(memory.of(x, TOKENS, D_IN), memory);
            float[] acts = sae.densify(codes, memory).toFloatArray();
            float[] recon = sae.decode(codes, memory).toFloatArray();
            for (int t = 0; t < TOKENS; t++) {
                double[] expected = acts(x, t);
                assertThat(codes.counts().toIntArray()[t]).isEqualTo((int) Arrays.stream(expected).filter(a -> a > 0).count());
                for (int j = 0; j < D_IN; j++) {
                    double sum = array("b_dec", j);
                    for (int i = 0; i < D_SAE; i++) {
                        sum += expected[i] * wDec[i * D_IN + j];
                    }
                    assertThat((double) recon[t * D_IN + j]).isCloseTo(sum, within(BOUND));
                }
                for (int i = 0; i < D_SAE; i++) {
                    assertThat((double) acts[t * D_SAE + i]).isCloseTo(expected[i], within(BOUND));
                    active += expected[i] > 0 ? 1 : 0;
                }
            }
        }
        assertThat(active).isBetween(TOKENS, TOKENS * K - 1);
    }

    /** More than are positive, so that the ReLU shows as well. */
    @Test
    void topkOfTheRelu() throws IOException {
        check(write("layers.12"), K);
    }

    @Test
    void configurationsOfEarlierVersions() throws IOException {
        json.retain("k", "num_latents", "d_in");
        json.put("signed", false).putNull("gram_table_hash");
        check(write("layers.12"), K);
    }

    @Test
    void widthByTheExpansionFactor() throws IOException {
        SparsifyTest wide = new SparsifyTest();
        wide.root = root;
        wide.json.put("num_latents", 0).put("expansion_factor", 2).put("k", 3);
        int dSae = 2 * D_IN;
        for (String name : new String[] {"encoder.weight", "W_dec"}) {
            wide.arrays.put(name, HostTensor.ofFloats(SaeFixture.draw(new Random(33), D_IN * dSae), dSae, D_IN));
        }
        wide.arrays.put("encoder.bias", HostTensor.ofFloats(new float[dSae], dSae));
        try (Engine engine = Backends.open("cpu", 1); Sae sae = Sae.load(wide.write("mine"), engine)) {
            assertThat(sae.config().dSae()).isEqualTo(dSae);
            assertThat(sae.hook().place()).isEqualTo(SaeHook.Place.UNTOLD);
        }
    }

    private void refused(Consumer<SparsifyTest> change, String... parts) throws IOException {
        SparsifyTest broken = new SparsifyTest();
        broken.root = root;
        change.accept(broken);
        refused(broken.write("layers.12"), parts);
    }

    private void refused(Path directory, String... parts) {
        try (Engine engine = Backends.open("cpu", 1)) {
            assertThatThrownBy(() -> Sae.load(directory, engine).close()).isInstanceOf(InputException.class).hasMessageContainingAll(parts)
                .hasMessageContaining(directory.toString());
        }
    }

    @Test
    void whatIsNotComputed() throws IOException {
        refused(t -> t.json.put("activation", "groupmax"), "'activation'", "'groupmax'", "'topk'");
        refused(t -> t.json.put("transcode", true), "'transcode' is true", "transcoder");
        refused(t -> t.json.put("skip_connection", true), "'skip_connection' is true");
        refused(t -> t.json.put("embed_skip", true), "'embed_skip' is true");
        refused(t -> t.json.put("gram_lookup", true), "'gram_lookup' is true");
        refused(t -> t.json.put("signed", true), "'signed' is true");
        refused(t -> t.json.put("encoder_kron", true), "'encoder_kron' is true", "no such key");
        refused(t -> t.json.remove("k"), "lacks the key 'k'");
        refused(t -> t.json.put("k", 0), "'k' is 0");
        refused(t -> t.json.put("k", D_SAE + 1), "'k' is 132", "d_sae = 131");
        refused(t -> t.json.put("num_latents", 0).remove("expansion_factor"), "expansion_factor");
        refused(t -> t.json.put("num_latents", -1), "num_latents");
        refused(t -> t.json.put("num_latents", D_SAE + 1), "[131]", "[132]");
        refused(t -> t.json.put("d_in", D_IN + 1), "[131, 9]", "[131, 10]");
        refused(t -> t.arrays.put("W_skip", t.arrays.get("b_dec")), "'W_skip'");
        refused(t -> t.arrays.remove("W_dec"), "lacks the array 'W_dec'", "sparsify");
        float[] broken = new float[D_SAE];
        broken[3] = Float.NaN;
        refused(t -> t.arrays.put("encoder.bias", HostTensor.ofFloats(broken, D_SAE)), "b_enc has 1 values that are NaN");
    }

    @Test
    void aRunOfSeveralHookpoints() throws IOException {
        Files.writeString(root.resolve("config.json"), "{\"sae\": {\"k\": 32}, \"batch_size\": 32}");
        Files.createFile(root.resolve("state.pt"));
        write("layers.2");
        write("layers.4.mlp");
        refused(root, "holds several SAEs", "layers.2, layers.4.mlp");
        Path seeds = root.resolve("seeds");
        write("seeds/layers.3/seed0");
        write("seeds/layers.3/seed1");
        refused(seeds, "holds several SAEs", "layers.3/seed0, layers.3/seed1");
    }

    @Test
    void weightsOfNeitherOrBoth() throws IOException {
        Path directory = write("layers.12");
        Files.copy(directory.resolve("sae.safetensors"), directory.resolve("sae_weights.safetensors"));
        refused(directory, "both sae_weights.safetensors", "sae.safetensors");
        Files.delete(directory.resolve("sae.safetensors"));
        Files.delete(directory.resolve("sae_weights.safetensors"));
        refused(directory, "neither sae_weights.safetensors", "nor sae.safetensors");
    }
}
