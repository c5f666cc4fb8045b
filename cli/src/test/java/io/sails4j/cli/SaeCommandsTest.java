package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import io.sails4j.config.ModelConfig;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Random;
import java.util.SequencedMap;
import java.util.stream.IntStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** SAEs by the command line: which layer, which place, in one sentence where they do not fit. */
class SaeCommandsTest {
    private static final int D_MODEL = 16;
    private static final int D_SAE = 70;

    @TempDir
    private static Path shared;

    @TempDir
    private Path directory;

    @BeforeAll
    static void makeModelAndPairs() throws IOException {
        ModelConfig config = ModelConfig.gemma2().vocabSize(64).dModel(D_MODEL).layers(3).heads(2, 1).headDim(8).dFf(24).slidingWindow(4)
            .maxPositionEmbeddings(64).checkpointDtype(DType.F32).build();
        Files.createDirectory(shared.resolve("model"));
        try (Engine engine = Engine.open(EngineOptions.defaults());
             ModelWeights weights = ModelWeights.random(config, engine, DType.F32, 1)) {
            weights.writeInto(shared.resolve("model"), engine);
        }
        SequencedMap<String, HostTensor> pairs = new LinkedHashMap<>();
        for (String side : new String[] {"aligned.", "unaligned."}) {
            pairs.put(side + "input_ids",
                HostTensor.ofInts(IntStream.range(0, 18).map(i -> 3 + (i * 7 + side.length()) % 50).toArray(), 3, 6));
            pairs.put(side + "attention_mask", HostTensor.ofInts(IntStream.range(0, 18).map(i -> 1).toArray(), 3, 6));
            pairs.put(side + "token_mask", HostTensor.ofInts(IntStream.range(0, 18).map(i -> i % 6 >= 3 ? 1 : 0).toArray(), 3, 6));
        }
        SafetensorsWriter.write(shared.resolve("pairs.safetensors"), pairs, Map.of());
    }

    private static HostTensor random(long... dims) {
        int n = (int) Arrays.stream(dims).reduce(1, (a, b) -> a * b);
        Random random = new Random(n);
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return HostTensor.ofFloats(values, dims);
    }

    private Path saeLens(String name, String hook) throws IOException {
        Path sae = Files.createDirectories(directory.resolve(name));
        SequencedMap<String, HostTensor> arrays = new LinkedHashMap<>();
        arrays.put("W_enc", random(D_MODEL, D_SAE));
        arrays.put("W_dec", random(D_SAE, D_MODEL));
        arrays.put("b_enc", random(D_SAE));
        arrays.put("b_dec", random(D_MODEL));
        SafetensorsWriter.write(sae.resolve("sae_weights.safetensors"), arrays, Map.of());
        Files.writeString(sae.resolve("cfg.json"), "{\"d_in\": " + D_MODEL + ", \"d_sae\": " + D_SAE
            + (hook.isEmpty() ? "" : ", \"metadata\": {\"hook_name\": \"" + hook + "\"}") + "}");
        return sae;
    }

    private CommandRun subspace(String... saes) {
        return withSaes("subspace", "subspace.safetensors", saes);
    }

    private CommandRun withSaes(String command, String out, String... saes) {
        Object[] fixed = {command, "--model", shared.resolve("model"), "--data", shared.resolve("pairs.safetensors"), "--out",
            directory.resolve(out)};
        Object[] all = Arrays.copyOf(fixed, fixed.length + 2 * saes.length);
        for (int i = 0; i < saes.length; i++) {
            all[fixed.length + 2 * i] = "--sae";
            all[fixed.length + 2 * i + 1] = saes[i];
        }
        return CommandRun.of(all);
    }

    @Test
    void layerAndPath() throws IOException {
        Path sae = saeLens("ok", "blocks.1.hook_resid_post");
        for (String given : new String[] {sae.toString(), "x=" + sae, "-1=" + sae, "1=", "99999999999=" + sae}) {
            subspace(given).requireWrong("--sae " + given + " names no layer", "LAYER=PATH");
            withSaes("align", "adapter", given).requireWrong("--sae " + given + " names no layer", "LAYER=PATH");
        }
        subspace("1=" + sae, "1=" + sae).requireWrong("names layer 1 twice");
        subspace("7=" + saeLens("untold", "")).requireWrong("layers 0 to 2");
        CommandRun run = subspace("1=" + sae);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.err()).doesNotContain("as asked");
        assertThat(directory.resolve("subspace.safetensors")).exists();
    }

    @Test
    void anotherLayerOrPlace() throws IOException {
        Path sae = saeLens("post", "blocks.1.hook_resid_post");
        subspace("2=" + sae).requireWrong("after layer 1", "after layer 2", sae.resolve("cfg.json").toString());
        withSaes("align", "adapter", "2=" + sae).requireWrong("after layer 1", "after layer 2");
        subspace("1=" + saeLens("mlp", "blocks.1.hook_mlp_out")).requireWrong("blocks.1.hook_mlp_out", "expected blocks.N.hook_resid_post");
        CommandRun run = subspace("1=" + saeLens("pre", "blocks.2.hook_resid_pre"));
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.err()).containsOnlyOnce("blocks.2.hook_resid_pre is the residual stream after layer 1");
        Files.delete(directory.resolve("subspace.safetensors"));
        run = subspace("1=" + saeLens("untold", ""));
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.err()).containsOnlyOnce("does not tell where in the model it belongs").contains("after layer 1, as asked");
    }

    @Test
    void encodeComparesWithTheNamesOfATrace() throws IOException {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        for (String name : new String[] {"hidden.layer.1", "hidden.layer.2", "hidden.embed", "hidden.mid.1", "mlp_out.1", "mine"}) {
            tensors.put(name, random(5, D_MODEL));
        }
        Path vectors = directory.resolve("trace.safetensors");
        SafetensorsWriter.write(vectors, tensors, Map.of());
        Path post = saeLens("post", "blocks.1.hook_resid_post");
        Path mlp = saeLens("mlp", "blocks.1.hook_mlp_out");
        Path embedding = saeLens("embedding", "blocks.0.hook_resid_pre");
        encode(post, vectors, "hidden.layer.2").requireWrong("after layer 1", "after layer 2");
        encode(post, vectors, "hidden.embed").requireWrong("after layer 1", "embedding");
        encode(post, vectors, "hidden.mid.1").requireWrong("hidden.mid.1", "blocks.1.hook_resid_post");
        encode(mlp, vectors, "hidden.layer.1").requireWrong("blocks.1.hook_mlp_out");
        encode(mlp, vectors, "mlp_out.1").requireWrong("blocks.1.hook_mlp_out", "under another name");
        encode(embedding, vectors, "hidden.layer.1").requireWrong("embedding", "after layer 1");
        assertThat(encode(post, vectors, "hidden.layer.1").code()).isZero();
        assertThat(encode(embedding, vectors, "hidden.embed").code()).isZero();
        assertThat(encode(mlp, vectors, "mine").code()).isZero();
        assertThat(encode(saeLens("untold", ""), vectors, "hidden.layer.2").code()).isZero();
    }

    private CommandRun encode(Path sae, Path vectors, String name) {
        return CommandRun.of("encode", "--sae", sae, "--input", vectors + ":" + name, "--out",
            directory.resolve("codes-" + System.nanoTime()));
    }

    private CommandRun generate(Object... more) {
        Object[] fixed = {"generate", "--backend", "cpu", "--threads", 1, "--model", shared.resolve("model"), "--tokens", "2,5,9",
            "--max-new-tokens", 6, "--json"};
        Object[] all = Arrays.copyOf(fixed, fixed.length + more.length);
        System.arraycopy(more, 0, all, fixed.length, more.length);
        return CommandRun.of(all);
    }

    @Test
    void generateChangesAndWatchesFeatures() throws IOException {
        String sae = "1=" + saeLens("steer", "blocks.1.hook_resid_post");
        var plain = new ObjectMapper().readTree(generate("--sae", sae, "--watch", "1:7", "--watch", "1:12").out());
        assertThat(plain.get("watch")).hasSize(2);
        assertThat(plain.get("watch").get(1).get("feature").asInt()).isEqualTo(12);
        assertThat(plain.get("watch").get(0).get("prompt")).hasSize(3);
        assertThat(plain.get("watch").get(0).get("new")).hasSize(6);
        assertThat(plain.get("new_ids")).isEqualTo(new ObjectMapper().readTree(generate().out()).get("new_ids"));
        CommandRun steered = generate("--sae", sae, "--steer", "1:7=-40", "--clamp", "1:12=1e1", "--ablate", "1:3");
        assertThat(steered.code()).as(steered.err()).isZero();
        assertThat(new ObjectMapper().readTree(steered.out()).get("new_ids")).isNotEqualTo(plain.get("new_ids"));
        generate("--steer", "1:7=3").requireWrong("there is no SAE", "--sae LAYER=PATH");
        generate("--sae", sae).requireWrong("no feature of it is used");
        generate("--sae", sae, "--steer", "1:7").requireWrong("--steer is '1:7'", "LAYER:FEATURE=X");
        generate("--sae", sae, "--steer", "1:7=1.2.3").requireWrong("'1.2.3' is no number");
        generate("--sae", sae, "--ablate", "7").requireWrong("--ablate is '7'", "LAYER:FEATURE");
        generate("--sae", sae, "--ablate", "1:70").requireWrong("feature 1:70 does not exist", "0 to 69");
        generate("--sae", sae, "--watch", "0:7").requireWrong("needs an SAE of layer 0");
    }

    @Test
    void inspectSaysThePlace() throws IOException {
        var json = new ObjectMapper().readTree(CommandRun.of("inspect", saeLens("pre", "blocks.2.hook_resid_pre"), "--json").out());
        assertThat(json.get("hook").asText()).isEqualTo("blocks.2.hook_resid_pre");
        assertThat(json.get("belongs_to").asText()).isEqualTo("the residual stream after layer 1");
        assertThat(CommandRun.of("inspect", saeLens("mlp", "blocks.2.hook_mlp_out")).out())
            .contains("not the residual stream after a layer");
        Path sparsify = Files.createDirectory(directory.resolve("run"));
        Files.writeString(sparsify.resolve("config.json"), "{\"sae\": {\"k\": 32}}");
        saeLens("run/layers.1", "");
        saeLens("run/layers.2", "");
        CommandRun.of("inspect", sparsify).requireWrong("holds several SAEs", "layers.1, layers.2");
        Path dictionary = Files.createDirectory(directory.resolve("dictionary"));
        Files.writeString(dictionary.resolve("config.json"), "{\"trainer\": {\"k\": 32}}");
        Files.createFile(dictionary.resolve("ae.pt"));
        CommandRun.of("inspect", dictionary).requireWrong("ae.pt", "pickle", "safetensors");
    }
}
