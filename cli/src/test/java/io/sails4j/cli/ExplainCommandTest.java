package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.Projection;
import io.sails4j.data.ControlTokens;
import io.sails4j.demo.BpeTrainer;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.LoraConfig;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.SequencedMap;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** `sails explain` as its user runs it: the three kinds, hostile text, and what it refuses. */
class ExplainCommandTest {
    private static final int D_MODEL = 16;
    private static final int D_SAE = 40;
    /** Quotes, markup, an escape of a terminal, and a character that turns the direction of writing. */
    private static final String HOSTILE = "\\\"}<b>\\u001b[31m\\u202e";

    @TempDir
    private static Path shared;

    @TempDir
    private Path directory;

    @BeforeAll
    static void makeEverything() throws IOException {
        Path model = Files.createDirectory(shared.resolve("model"));
        int vocabulary = BpeTrainer.train(List.of("how do i get the lock", "take the card", "sign the mail"), 300, ControlTokens.GEMMA,
            model.resolve("tokenizer.json"));
        ModelConfig config = ModelConfig.gemma2().vocabSize(vocabulary).dModel(D_MODEL).layers(2).heads(2, 1).headDim(8).dFf(24)
            .slidingWindow(8).maxPositionEmbeddings(128).checkpointDtype(DType.F32).tokens(2, List.of(1), 0).build();
        try (Engine engine = Engine.open(new EngineOptions("cpu", 1, ""));
             ModelWeights weights = ModelWeights.random(config, engine, DType.F32, 1);
             LoraAdapter adapter = LoraAdapter.create(LoraConfig.uniform(config, EnumSet.of(Projection.O_PROJ), 2, 2, "tiny"), config,
                 engine.device())) {
            weights.writeInto(model, engine);
            adapter.modules().values().forEach(factors -> {
                factors.loraA().upload(random((int) factors.loraA().numel(), 3));
                factors.loraB().upload(random((int) factors.loraB().numel(), 4));
            });
            adapter.save(shared.resolve("adapter"));
        }
        sae("sae", D_MODEL, 5);
        sae("other", D_MODEL, 6);
        sae("wide", D_MODEL + 1, 5);
        List<String> lines = new ArrayList<>();
        for (String word : List.of("lock", "card", "mail", "sign")) {
            lines.add("{\"prompt\": \"how do i get the " + word + "\", \"chosen\": \"no " + HOSTILE + "\", \"rejected\": \"take the " + word
                + "\"}");
        }
        Files.write(shared.resolve("pairs.jsonl"), lines);
        CommandRun run = CommandRun.of("subspace", "--model", model, "--sae", "1=" + shared.resolve("sae"), "--data",
            shared.resolve("pairs.jsonl"), "--top-k", 6, "--out", shared.resolve("safety.safetensors"));
        assertThat(run.code()).as(run.err()).isZero();
    }

    private static float[] random(int n, long seed) {
        Random random = new Random(seed);
        float[] values = new float[n];
        for (int i = 0; i < n; i++) {
            values[i] = (float) random.nextGaussian();
        }
        return values;
    }

    private static void sae(String name, int dIn, long seed) throws IOException {
        Path sae = Files.createDirectories(shared.resolve(name));
        SequencedMap<String, HostTensor> arrays = new LinkedHashMap<>();
        arrays.put("W_enc", HostTensor.ofFloats(random(dIn * D_SAE, seed), dIn, D_SAE));
        arrays.put("W_dec", HostTensor.ofFloats(random(dIn * D_SAE, seed + 10), D_SAE, dIn));
        arrays.put("b_enc", HostTensor.ofFloats(random(D_SAE, seed + 20), D_SAE));
        arrays.put("b_dec", HostTensor.ofFloats(random(dIn, seed + 30), dIn));
        SafetensorsWriter.write(sae.resolve("sae_weights.safetensors"), arrays, Map.of());
        Files.writeString(sae.resolve("cfg.json"), "{\"d_in\": " + dIn + ", \"d_sae\": " + D_SAE
            + ", \"neuronpedia_id\": \"tiny/1-res\", \"metadata\": {\"hook_name\": \"blocks.1.hook_resid_post\"}}");
    }

    private CommandRun explain(Object... args) {
        List<Object> all = new ArrayList<>(List.of("explain", "--model", shared.resolve("model"), "--out", directory.resolve("out")));
        all.addAll(List.of(args));
        return CommandRun.of(all.toArray());
    }

    private JsonNode written() throws IOException {
        return new ObjectMapper().readTree(directory.resolve("out/explain.json").toFile());
    }

    private static Path in(String name) {
        return shared.resolve(name);
    }

    @Test
    void aSubspaceWithHostileData() throws IOException {
        CommandRun run = explain("--subspace", in("safety.safetensors"), "--sae", "1=" + in("sae"), "--data", in("pairs.jsonl"),
            "--passages", 3);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).contains("layer 1: 6 of 40 features", "cumulative %", "fires on", "https://www.neuronpedia.org/tiny/1-res/")
            .doesNotContain("\u001b", "\u202e");
        JsonNode json = written();
        assertThat(json.get("kind").asText()).isEqualTo("subspace");
        JsonNode feature = json.at("/layers/0/features/0");
        assertThat(feature.get("passages").size()).isEqualTo(3);
        assertThat(feature.get("link").asText()).isEqualTo("https://www.neuronpedia.org/tiny/1-res/" + feature.get("feature").asInt());
        StringBuilder text = new StringBuilder();
        json.findValues("tokens").forEach(tokens -> tokens.forEach(token -> text.append(token.asText())));
        assertThat(text.toString()).contains("\"}<b>\u001b[31m\u202e");
        try (SafetensorsFile statistics = SafetensorsFile.open(directory.resolve("out/features.safetensors"))) {
            assertThat(statistics.tensor("layer.1.count").shape().toArray()).containsExactly(2, D_SAE);
        }
    }

    @Test
    void anAdapterAndAPromptAsJson() throws IOException {
        CommandRun run = explain("--adapter", in("adapter"), "--subspace", in("safety.safetensors"), "--sae", "1=" + in("sae"), "--data",
            in("pairs.jsonl"), "--features", 4, "--json");
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(new ObjectMapper().readTree(run.out())).isEqualTo(new ObjectMapper().readTree(written().toString()));
        assertThat(written().at("/modules").size()).isEqualTo(2);
        assertThat(written().at("/layers/1/features").size()).isEqualTo(4);
        assertThat(directory.resolve("out/features-adapted.safetensors")).exists();
        CommandRun prompt = CommandRun.of("explain", "--model", in("model"), "--out", directory.resolve("prompt"), "--chat",
            "get the lock", "--adapter", in("adapter"), "--sae", "1=" + in("sae"), "--features", 3);
        assertThat(prompt.code()).as(prompt.err()).isZero();
        assertThat(prompt.out()).contains("feature after layer 1", "adapted");
        JsonNode json = new ObjectMapper().readTree(directory.resolve("prompt/explain.json").toFile());
        assertThat(json.at("/layers/0/features").size()).isEqualTo(3);
        assertThat(json.at("/tokens").size()).isEqualTo(json.at("/layers/0/features/0/adapted").size());
        assertThat(json.at("/tokens/1").asText()).isEqualTo("<start_of_turn>");
    }

    @Test
    void wrongInputsInOneSentence() {
        explain().requireWrong("there is nothing to explain");
        explain("--subspace", in("safety.safetensors")).requireWrong("a subspace for layer 1", "--sae 1=PATH");
        explain("--subspace", in("safety.safetensors"), "--sae", "1=" + in("other")).requireWrong("is not spanned by the decoder rows");
        explain("--subspace", in("safety.safetensors"), "--sae", "1=" + in("wide")).requireWrong("d_in = 17", "d_model = 16");
        explain("--subspace", in("safety.safetensors"), "--sae", "0=" + in("sae")).requireWrong("after layer 1", "after layer 0");
        explain("--prompt", "a", "--data", in("pairs.jsonl")).requireWrong("--data and a prompt");
        explain("--prompt", "a").requireWrong("there is no SAE");
        explain("--prompt", "a", "--chat", "b").requireWrong("two prompts");
        explain("--adapter", in("adapter"), "--sae", "1=" + in("sae")).requireWrong("--sae without --data");
        explain("--adapter", in("adapter"), "--data", in("pairs.jsonl")).requireWrong("--data without --sae");
        explain("--adapter", in("sae"), "--subspace", in("safety.safetensors")).requireWrong("adapter_config.json");
        explain("--subspace", in("safety.safetensors"), "--passages", 99).requireWrong("--passages is 99");
        assertThat(directory.resolve("out")).doesNotExist();
    }
}
