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

/** Llama Scope directories against scalar double code in the order of lm_saes' own forward: normalise, encode, mask, decode, undo. */
class LlamaScopeTest {
    private static final int D_IN = 9;
    private static final int D_SAE = 130;
    private static final int TOKENS = 6;
    private static final double NORM_IN = 1.7;
    private static final double SCALE = Math.sqrt(D_IN) / NORM_IN;
    private static final double BOUND = 4 * 0x1p-24 * D_SAE * 64;

    @TempDir
    private Path directory;

    private final SequencedMap<String, HostTensor> arrays = new LinkedHashMap<>();
    private final ObjectNode json = new ObjectMapper().createObjectNode();

    LlamaScopeTest() {
        Random random = new Random(21);
        arrays.put("encoder.weight", HostTensor.ofFloats(SaeFixture.draw(random, D_IN * D_SAE), D_SAE, D_IN));
        arrays.put("encoder.bias", HostTensor.ofFloats(SaeFixture.draw(random, D_SAE), D_SAE));
        arrays.put("decoder.weight", HostTensor.ofFloats(SaeFixture.draw(random, D_IN * D_SAE), D_IN, D_SAE));
        arrays.put("decoder.bias", HostTensor.ofFloats(SaeFixture.draw(random, D_IN), D_IN));
        json.put("d_model", D_IN).put("d_sae", D_SAE).put("act_fn", "jumprelu").put("jump_relu_threshold", 0.8).put("top_k", 12);
        json.put("hook_point_in", "blocks.3.hook_resid_post").put("hook_point_out", "blocks.3.hook_resid_post");
        json.put("norm_activation", "dataset-wise").put("use_decoder_bias", true).put("apply_decoder_bias_to_pre_encoder", false);
        json.put("sparsity_include_decoder_norm", true).putObject("dataset_average_activation_norm").put("in", NORM_IN).put("out", NORM_IN);
    }

    private Path write() throws IOException {
        Files.createDirectories(directory.resolve("checkpoints"));
        SafetensorsWriter.write(directory.resolve("checkpoints/final.safetensors"), arrays, Map.of());
        Files.writeString(directory.resolve("hyperparams.json"), json.toString());
        return directory;
    }

    private double array(String name, int i) {
        return arrays.get(name).toFloatArray()[i];
    }

    private double columnNorm(int feature) {
        double squares = 0;
        for (int j = 0; j < D_IN; j++) {
            squares += Math.pow(array("decoder.weight", j * D_SAE + feature), 2);
        }
        return json.get("sparsity_include_decoder_norm").asBoolean() ? Math.sqrt(squares) : 1;
    }

    /** hidden_pre times the decoder norm: what lm_saes compares, [d_sae]. */
    private double[] scores(double[] x, double scale) {
        boolean shift = json.get("apply_decoder_bias_to_pre_encoder").asBoolean();
        double[] scores = new double[D_SAE];
        for (int i = 0; i < D_SAE; i++) {
            double pre = array("encoder.bias", i);
            for (int j = 0; j < D_IN; j++) {
                pre += (x[j] * scale - (shift ? array("decoder.bias", j) : 0)) * array("encoder.weight", i * D_IN + j);
            }
            scores[i] = pre * columnNorm(i);
        }
        return scores;
    }

    private interface Mask {
        boolean active(double[] scores, int feature);
    }

    private void check(double scale, Mask mask) throws IOException {
        float[] x = SaeFixture.draw(new Random(22), TOKENS * D_IN);
        int active = 0;
        try (Engine engine = Backends.open("cpu", 2); Sae sae = Sae.load(write(), engine);
             TensorArena memory = new TensorArena(engine.device())) {
            assertThat(sae.hook().name()).isEqualTo("blocks.3.hook_resid_post");
            assertThat(sae.hook().layer()).isEqualTo(3);
            SparseCodes codes = sae.encode(memory.of(x, TOKENS, D_IN), memory);
            float[] acts = sae.densify(codes, memory).toFloatArray();
            float[] recon = sae.decode(codes, memory).toFloatArray();
            for (int t = 0; t < TOKENS; t++) {
                double[] row = new double[D_IN];
                for (int j = 0; j < D_IN; j++) {
                    row[j] = x[t * D_IN + j];
                }
                double[] scores = scores(row, scale);
                double[] expected = new double[D_IN];
                for (int i = 0; i < D_SAE; i++) {
                    double act = mask.active(scores, i) ? scores[i] : 0;
                    assertThat((double) acts[t * D_SAE + i]).isCloseTo(act, within(BOUND));
                    active += act > 0 ? 1 : 0;
                    for (int j = 0; j < D_IN; j++) {
                        expected[j] += act / columnNorm(i) * array("decoder.weight", j * D_SAE + i);
                    }
                }
                for (int j = 0; j < D_IN; j++) {
                    assertThat((double) recon[t * D_IN + j]).isCloseTo((expected[j] + array("decoder.bias", j)) / scale, within(BOUND));
                }
            }
        }
        assertThat(active).isBetween(TOKENS, TOKENS * D_SAE - 1);
    }

    @Test
    void oneThresholdInUnitsOfTheInput() throws IOException {
        check(SCALE, (scores, i) -> scores[i] > 0.8 * SCALE);
    }

    @Test
    void thresholdsAmongTheWeights() throws IOException {
        json.remove("jump_relu_threshold");
        arrays.put("log_jumprelu_threshold", HostTensor.ofFloats(SaeFixture.draw(new Random(23), D_SAE), D_SAE));
        check(SCALE, (scores, i) -> scores[i] > Math.exp(array("log_jumprelu_threshold", i)));
    }

    @Test
    void topK() throws IOException {
        json.put("act_fn", "topk");
        check(SCALE, (scores, i) -> scores[i] > 0 && Arrays.stream(scores).filter(s -> s > scores[i]).count() < 12);
    }

    @Test
    void decoderBiasIntoTheEncoder() throws IOException {
        json.put("apply_decoder_bias_to_pre_encoder", true).put("sparsity_include_decoder_norm", false).put("act_fn", "relu");
        check(SCALE, (scores, i) -> scores[i] > 0);
    }

    @Test
    void alreadyFolded() throws IOException {
        json.put("norm_activation", "inference");
        check(1, (scores, i) -> scores[i] > 0.8);
    }

    @Test
    void normAmongTheWeightsAndFileBeside() throws IOException {
        json.remove("dataset_average_activation_norm");
        arrays.put("dataset_average_activation_norm.blocks.3.hook_resid_post", HostTensor.ofFloats(new float[] {(float) NORM_IN}, 1));
        check(SCALE, (scores, i) -> scores[i] > 0.8 * SCALE);
        Files.move(directory.resolve("checkpoints/final.safetensors"), directory.resolve("final.safetensors"));
        try (Engine engine = Backends.open("cpu", 2); Sae sae = Sae.load(directory, engine)) {
            assertThat(sae.path()).isEqualTo(directory.resolve("final.safetensors"));
        }
    }

    private void refused(Consumer<LlamaScopeTest> change, String... parts) throws IOException {
        LlamaScopeTest broken = new LlamaScopeTest();
        broken.directory = directory;
        change.accept(broken);
        broken.write();
        try (Engine engine = Backends.open("cpu", 1)) {
            assertThatThrownBy(() -> Sae.load(directory, engine).close()).isInstanceOf(InputException.class).hasMessageContainingAll(parts)
                .hasMessageContaining(directory.toString());
        }
    }

    @Test
    void whatIsNotUnderstood() throws IOException {
        refused(t -> t.json.put("hook_point_out", "blocks.3.hook_mlp_out"), "hook_point_out", "hook_mlp_out", "transcoder");
        refused(t -> t.json.put("act_fn", "batchtopk"), "act_fn", "'batchtopk'", "'jumprelu'");
        refused(t -> t.json.put("norm_activation", "token-wise"), "norm_activation", "'token-wise'");
        refused(t -> t.json.put("use_glu_encoder", true), "use_glu_encoder");
        refused(t -> t.json.put("sae_type", "crosscoder"), "sae_type", "'crosscoder'");
        refused(t -> t.json.put("act_fn", "topk").put("top_k", D_SAE + 1), "top_k");
        refused(t -> t.json.put("jump_relu_threshold", -1), "jump_relu_threshold");
        refused(t -> t.json.remove("jump_relu_threshold"), "jump_relu_threshold", "thresholds");
        refused(t -> t.json.remove("dataset_average_activation_norm"), "dataset_average_activation_norm");
        refused(t -> t.json.putObject("dataset_average_activation_norm").put("in", 0), "'in' is 0", "positive");
        refused(t -> t.json.put("d_sae", D_SAE + 1), "encoder.weight", "[130, 9]", "[131, 9]");
        refused(t -> t.arrays.put("encoder_glu.weight", t.arrays.get("encoder.bias")), "encoder_glu.weight");
        refused(t -> t.arrays.remove("decoder.bias"), "lacks the array 'decoder.bias'");
        refused(t -> t.arrays.put("encoder.bias", HostTensor.ofFloats(filled(Float.NaN), D_SAE)), "NaN");
        refused(t -> t.arrays.put("log_jumprelu_threshold", HostTensor.ofFloats(filled(Float.NaN), D_SAE)), "threshold[0] is NaN");
    }

    private static float[] filled(float value) {
        float[] values = new float[D_SAE];
        Arrays.fill(values, value);
        return values;
    }
}
