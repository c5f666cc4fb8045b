package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.sails4j.config.ModelConfig;
import io.sails4j.data.ControlTokens;
import io.sails4j.demo.BpeTrainer;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** `sails quantize` and `--weights` as their user runs them, on a tiny model. */
class QuantizeCommandTest {
    @TempDir
    private static Path shared;

    @BeforeAll
    static void makeModelAndData() throws IOException {
        Path model = Files.createDirectory(shared.resolve("model"));
        int vocabulary = BpeTrainer.train(List.of("how do i get the lock", "take the card", "sign the mail key bank no"), 300,
            ControlTokens.GEMMA, model.resolve("tokenizer.json"));
        ModelConfig config = ModelConfig.gemma2().vocabSize(vocabulary).dModel(32).layers(2).heads(2, 1).headDim(8).dFf(48)
            .slidingWindow(8).maxPositionEmbeddings(128).checkpointDtype(DType.F32).tokens(2, List.of(1), 0).build();
        try (Engine engine = Engine.open(new EngineOptions("cpu", 1, ""));
             ModelWeights weights = ModelWeights.random(config, engine, DType.F32, 1)) {
            weights.writeInto(model, engine);
        }
        List<String> pairs = new ArrayList<>();
        List<String> texts = new ArrayList<>();
        for (String word : List.of("lock", "card", "mail", "sign", "key", "bank")) {
            pairs.add("{\"prompt\": \"how do i get the " + word + "\", \"chosen\": \"no\", \"rejected\": \"take the " + word + "\"}");
            texts.add("{\"text\": \"take the " + word + " and sign the mail\"}");
        }
        Files.write(shared.resolve("pairs.jsonl"), pairs);
        Files.write(shared.resolve("texts.jsonl"), texts);
    }

    private static Path model() {
        return shared.resolve("model");
    }

    private static JsonNode done(Object... arguments) throws IOException {
        CommandRun run = CommandRun.of(arguments);
        assertThat(run.code()).as(run.err()).isZero();
        return new ObjectMapper().readTree(run.out());
    }

    @Test
    void aQuantizedCheckpointIsMeasuredRunAndTrainedOn() throws IOException {
        Path quantized = shared.resolve("int4");
        JsonNode json = done("quantize", "--model", model(), "--weights", "int4", "--importance", shared.resolve("texts.jsonl"),
            "--importance-tokens", 40, "--test", shared.resolve("pairs.jsonl") + "=prompt", "--out", quantized, "--backend", "cpu",
            "--json");
        assertThat(json.path("bits_per_weight").asDouble()).isBetween(4.5, 13.0);
        assertThat(json.path("bytes_after").asLong()).isLessThan(json.path("bytes_before").asLong() / 2);
        assertThat(json.path("kl_mean").asDouble()).isPositive();
        assertThat(json.path("perplexity_after").asDouble()).isCloseTo(json.path("perplexity_before").asDouble(), within(100.0));
        CommandRun atLoad = CommandRun.of("generate", "--model", model(), "--weights", "int8", "--prompt", "how do i",
            "--max-new-tokens", 4,
            "--backend", "cpu");
        assertThat(atLoad.code()).as(atLoad.err()).isZero();
        assertThat(done("inspect", quantized, "--backend", "cpu", "--json").path("weights").asText()).isEqualTo("int4");
        Path adapter = shared.resolve("adapter");
        CommandRun trained = CommandRun.of("align", "--model", quantized, "--data", shared.resolve("pairs.jsonl"), "--method", "lora",
            "--max-steps", 2, "--rank", 2, "--backend", "cpu", "--peak-tflops", 1, "--out", adapter);
        assertThat(trained.code()).as(trained.err()).isZero();
        CommandRun both = CommandRun.of("generate", "--model", model(), "--adapter", adapter, "--prompt", "how do i", "--max-new-tokens", 2,
            "--backend", "cpu");
        assertThat(both.code()).as("an adapter trained on packed weights is one of the model: " + both.err()).isZero();
    }

    @Test
    void aPlanCountsPackedWeights() throws IOException {
        long whole = planned();
        long packed = planned("--weights", "int4");
        assertThat(packed).isLessThan(whole);
    }

    private static long planned(Object... more) throws IOException {
        List<Object> words = new ArrayList<>(List.of("align", "--model", "2b", "--method", "lora", "--plan", "--backend", "cpu", "--json"));
        words.set(2, model().resolve("config.json"));
        words.addAll(List.of(more));
        return done(words.toArray()).at("/recompute_off/weight_bytes").asLong();
    }

    @Test
    void whatCannotBeIsRefused() throws IOException {
        Path out = shared.resolve("refused");
        CommandRun.of("quantize", "--model", model(), "--weights", "int5", "--out", out).requireWrong("--weights", "int5", "int8 or int4");
        CommandRun.of("quantize", "--model", model(), "--weights", "int8", "--importance-tokens", 5, "--out", out)
            .requireWrong("--importance-tokens", "--importance");
        CommandRun.of("quantize", "--model", model(), "--weights", "int8", "--test", shared.resolve("texts.jsonl"), "--window", 1,
            "--out", out)
            .requireWrong("--window", "2 tokens");
        CommandRun.of("quantize", "--model", model(), "--weights", "int8", "--test", shared.resolve("texts.jsonl") + "=story", "--out", out)
            .requireWrong("texts.jsonl", "story");
        CommandRun.of("align", "--model", model(), "--data", shared.resolve("pairs.jsonl"), "--method", "full", "--weights", "int8",
            "--out",
            out).requireWrong("--weights", "--method full");
        Path packed = shared.resolve("int8");
        done("quantize", "--model", model(), "--weights", "int8", "--out", packed, "--backend", "cpu", "--json");
        CommandRun.of("quantize", "--model", packed, "--weights", "int4", "--out", out, "--backend",
            "cpu").requireWrong("quantized already");
        CommandRun.of("generate", "--model", packed, "--weights", "int4", "--prompt", "how", "--backend", "cpu")
            .requireWrong("model.safetensors", "quantized already");
        CommandRun.of("align", "--model", packed, "--data", shared.resolve("pairs.jsonl"), "--method", "full", "--out", out, "--backend",
            "cpu").requireWrong("model.safetensors", "cannot be trained");
        assertThat(out).doesNotExist();
    }
}
