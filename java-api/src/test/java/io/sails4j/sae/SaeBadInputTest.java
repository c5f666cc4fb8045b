package io.sails4j.sae;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.sails4j.InputException;
import io.sails4j.ops.Engine;
import io.sails4j.testing.Backends;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Every broken SAE is refused with one sentence that names the file and what is wrong. */
class SaeBadInputTest {
    private static Engine engine;

    @TempDir
    private Path directory;

    @BeforeAll
    static void open() {
        engine = Backends.open("cpu", 1);
    }

    @AfterAll
    static void close() {
        engine.close();
    }

    private void refused(Path path, String... parts) {
        assertThatThrownBy(() -> Sae.load(path, engine).close()).isInstanceOf(InputException.class).hasMessageContainingAll(parts)
            .hasMessageContaining(directory.toString());
    }

    private static float[] filled(int n, float value) {
        float[] values = new float[n];
        Arrays.fill(values, value);
        return values;
    }

    @Test
    void missingArray() {
        SaeFixture sae = SaeFixture.jumprelu(3, 5);
        sae.arrays.remove("threshold");
        refused(sae.gemmaScope(directory), "params.npz", "lacks the array 'threshold'", "jumprelu");
        refused(sae.saeLens(directory.resolve("lens")), "sae_weights.safetensors", "lacks the array 'threshold'");
    }

    @Test
    void noEncoderAtAll() {
        SaeFixture sae = SaeFixture.jumprelu(3, 5);
        sae.arrays.remove("W_enc");
        refused(sae.gemmaScope(directory), "lacks the array 'W_enc'", "b_dec");
    }

    @Test
    void wrongRank() {
        refused(SaeFixture.jumprelu(3, 5).with("W_enc", new float[15], 15).gemmaScope(directory), "W_enc has shape [15]", "[d_in, d_sae]");
    }

    @Test
    void widthMismatch() {
        refused(SaeFixture.jumprelu(3, 5).with("W_dec", new float[12], 4, 3).gemmaScope(directory), "'W_dec' has shape [4, 3]",
            "expected [5, 3]");
        refused(SaeFixture.jumprelu(3, 5).with("threshold", new float[4], 4).gemmaScope(directory), "'threshold' has shape [4]",
            "expected [5]");
    }

    @Test
    void arrayThatIsNotUsed() {
        refused(SaeFixture.jumprelu(3, 5).with("scaling_factor", new float[5], 5).saeLens(directory), "'scaling_factor'", "jumprelu");
    }

    @Test
    void notANumber() {
        refused(SaeFixture.jumprelu(3, 5).with("threshold", new float[] {0, 1, Float.NaN, 1, 1}, 5).gemmaScope(directory),
            "threshold[2] is NaN");
        SaeFixture gated = new SaeFixture(3, 5, 1, "b_gate", "b_mag", "r_mag").with("\"architecture\": \"gated\",");
        refused(gated.with("b_gate", filled(5, Float.NaN), 5).saeLens(directory.resolve("lens")), "b_gate has 5 values that are NaN");
    }

    @Test
    void negativeThresholdsAreLegal() {
        Path file = SaeFixture.jumprelu(3, 5).with("threshold", filled(5, -1), 5).gemmaScope(directory);
        try (Sae sae = Sae.load(file, engine)) {
            assertThat(sae.config().dSae()).isEqualTo(5);
        }
    }

    @Test
    void allFeaturesDead() {
        refused(SaeFixture.jumprelu(3, 5).with("threshold", filled(5, Float.POSITIVE_INFINITY), 5).gemmaScope(directory),
            "all 5 features are dead");
        refused(SaeFixture.jumprelu(3, 5).with("W_dec", new float[15], 5, 3).gemmaScope(directory), "all 5 features are dead", "W_dec");
        refused(SaeFixture.jumprelu(3, 5).with("W_enc", new float[15], 3, 5).gemmaScope(directory), "all 5 features are dead", "W_enc");
    }

    @Test
    void configurations() {
        SaeFixture plain = new SaeFixture(3, 5, 1, "b_enc");
        refusedWith(plain, "\"architecture\": \"matryoshka\",", "'matryoshka'", "standard, jumprelu, topk or gated");
        for (String name : List.of("transcoder", "skip_transcoder", "jumprelu_transcoder", "jumprelu_skip_transcoder", "crosscoder")) {
            refusedWith(plain, "\"architecture\": \"" + name + "\",", "'" + name + "'", "no SAE of the residual stream");
        }
        refusedWith(plain, "\"normalize_activations\": \"expected_average_only_in\",", "'expected_average_only_in'", "fold");
        refusedWith(plain, "\"finetuning_scaling_factor\": true,", "finetuning_scaling_factor");
        refusedWith(plain, "\"activation_fn_str\": \"tanh-relu\",", "'tanh-relu'", "relu");
        refusedWith(plain, "\"architecture\": \"topk\",", "'k' is absent");
        refusedWith(plain, "\"architecture\": \"topk\", \"k\": 6,", "'k' is 6", "1 to d_sae = 5");
    }

    private void refusedWith(SaeFixture sae, String fields, String... parts) {
        sae.config = fields;
        refused(sae.saeLens(directory), parts);
    }

    @Test
    void pickles() throws IOException {
        Path pickle = Files.createFile(directory.resolve("sae.pt"));
        refused(pickle, "pickle", "sae.save_model");
        refused(directory, "pickle", "sae.pt");
        Path dictionary = Files.createDirectory(directory.resolve("trainer_0"));
        Files.writeString(dictionary.resolve("config.json"), "{\"trainer\": {\"dict_class\": \"AutoEncoder\", \"layer\": 5}}");
        Files.createFile(dictionary.resolve("ae.pt"));
        refused(dictionary, "ae.pt", "pickle", "dictionary_learning", "W_enc = encoder.weight.T", "safetensors");
        Files.writeString(dictionary.resolve("cfg.json"), "{}");
        refused(dictionary, "neither sae_weights.safetensors", "ae.pt", "pickle");
    }

    @Test
    void directoriesThatAreNoSae() throws IOException {
        refused(directory, "neither params.npz", "cfg.json");
        SaeFixture.jumprelu(3, 5).gemmaScope(Files.createDirectory(directory.resolve("average_l0_20")));
        refused(directory, "holds one", "average_l0_20");
        SaeFixture.jumprelu(3, 5).gemmaScope(Files.createDirectory(directory.resolve("average_l0_53")));
        refused(directory, "several SAEs", "average_l0_20, average_l0_53");
        refused(directory.resolve("nothing"), "does not exist");
    }

    /** Cut anywhere or with any byte changed, a file opens or is refused; nothing else escapes. */
    @Test
    void damagedBytes() throws IOException {
        byte[] whole = Files.readAllBytes(SaeFixture.jumprelu(1, 2).gemmaScope(directory));
        Path damaged = directory.resolve("damaged.npz");
        int refused = 0;
        for (int at = 0; at < whole.length; at++) {
            byte[] changed = whole.clone();
            changed[at] ^= (byte) (at % 2 == 0 ? 0xff : 0x41);
            refused += refusedOrOpened(Files.write(damaged, changed)) + refusedOrOpened(Files.write(damaged, Arrays.copyOf(whole, at)));
        }
        assertThat(refused).isGreaterThan(whole.length);
    }

    private static int refusedOrOpened(Path file) {
        try (Sae sae = Sae.load(file, engine)) {
            assertThat(sae.config().dSae()).isEqualTo(2);
            return 0;
        } catch (InputException e) {
            return 1;
        }
    }

    @Test
    void widthOfAnotherModel() {
        Path model = Path.of("some-model");
        try (Sae sae = Sae.load(SaeFixture.jumprelu(3, 5).gemmaScope(directory), engine)) {
            sae.requireInput(3, model);
            assertThatThrownBy(() -> sae.requireInput(4, model)).isInstanceOf(InputException.class)
                .hasMessageContainingAll("params.npz", "d_in = 3", "some-model", "d_model = 4");
        }
    }
}
