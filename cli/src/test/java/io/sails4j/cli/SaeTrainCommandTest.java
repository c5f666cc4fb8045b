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
import io.sails4j.options.Options;
import io.sails4j.saetrain.SaeTrainOptions;
import io.sails4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** `sails sae train` and `sails sae eval` as their user runs them, on a tiny model, and what uses the result. */
class SaeTrainCommandTest {
    @TempDir
    private static Path shared;

    @BeforeAll
    static void makeModelAndData() throws IOException {
        Path model = Files.createDirectory(shared.resolve("model"));
        List<String> words = List.of("lock", "card", "mail", "sign", "key", "bank");
        int vocabulary = BpeTrainer.train(List.of("how do i get the lock", "take the card", "sign the mail key bank no"), 300,
            ControlTokens.GEMMA, model.resolve("tokenizer.json"));
        ModelConfig config = ModelConfig.gemma2().vocabSize(vocabulary).dModel(16).layers(2).heads(2, 1).headDim(8).dFf(24)
            .slidingWindow(8).maxPositionEmbeddings(128).checkpointDtype(DType.F32).tokens(2, List.of(1), 0).build();
        try (Engine engine = Engine.open(new EngineOptions("cpu", 1, ""));
             ModelWeights weights = ModelWeights.random(config, engine, DType.F32, 1)) {
            weights.writeInto(model, engine);
        }
        List<String> pairs = new ArrayList<>();
        List<String> texts = new ArrayList<>();
        for (String a : words) {
            for (String b : words) {
                pairs.add("{\"prompt\": \"how do i get the " + a + " " + b + "\", \"chosen\": \"no\", \"rejected\": \"take the " + a
                    + "\"}");
                texts.add("{\"story\": \"take the " + a + " and sign the " + b + "\"}");
            }
        }
        Files.write(shared.resolve("pairs.jsonl"), pairs);
        Files.write(shared.resolve("texts.jsonl"), texts);
        train("sae").requireDone();
    }

    private static Done train(String out, Object... more) {
        List<Object> arguments = new ArrayList<>(List.of("sae", "train", "--model", shared.resolve("model"), "--layers", "0,1", "--data",
            shared.resolve("pairs.jsonl"), "--data", shared.resolve("texts.jsonl") + "=story", "--kind", "jumprelu", "--width", 24,
            "--batch-tokens", 64, "--buffer-tokens", 300, "--steps", 12, "--backend", "cpu", "--json", "--out", shared.resolve(out)));
        arguments.addAll(List.of(more));
        return new Done(CommandRun.of(arguments.toArray()));
    }

    private record Done(CommandRun run) {
        Done requireDone() {
            assertThat(run.code()).as(run.err()).isZero();
            return this;
        }

        JsonNode json() throws IOException {
            return new ObjectMapper().readTree(run.out());
        }
    }

    @Test
    void writesWhatSubspaceAndExplainRead() throws IOException {
        JsonNode run = new ObjectMapper().readTree(shared.resolve("sae/sails_run.json").toFile());
        assertThat(run.path("kind").asText()).isEqualTo("jumprelu");
        assertThat(run.path("autoencoders")).hasSize(2);
        assertThat(Files.readAllLines(shared.resolve("sae/metrics.jsonl"))).hasSize(24);
        CommandRun subspace = CommandRun.of("subspace", "--model", shared.resolve("model"), "--sae", "1=" + shared.resolve("sae/layer_1"),
            "--data", shared.resolve("pairs.jsonl"), "--top-k", 4, "--out", shared.resolve("safety.safetensors"));
        assertThat(subspace.code()).as(subspace.err()).isZero();
        CommandRun explain = CommandRun.of("explain", "--model", shared.resolve("model"), "--subspace", shared.resolve(
            "safety.safetensors"), "--sae", "1=" + shared.resolve("sae/layer_1"), "--out", shared.resolve("explained"));
        assertThat(explain.code()).as(explain.err()).isZero();
        CommandRun.of("subspace", "--model", shared.resolve("model"), "--sae", "0=" + shared.resolve("sae/layer_1"), "--data",
            shared.resolve("pairs.jsonl"), "--out", shared.resolve("no.safetensors")).requireWrong("belongs to", "layer 1");
    }

    @Test
    void measuresOnTheModel() throws IOException {
        CommandRun run = CommandRun.of("sae", "eval", "--sae", shared.resolve("sae/layer_1"), "--model", shared.resolve("model"), "--data",
            shared.resolve("pairs.jsonl"), "--backend", "cpu", "--json");
        JsonNode json = new Done(run).requireDone().json();
        assertThat(json.path("features").asInt()).isEqualTo(24);
        assertThat(json.path("fvu").asDouble()).isPositive();
        JsonNode model = json.path("model");
        double recovered = (model.path("ce_zero").asDouble() - model.path("ce_sae").asDouble())
            / (model.path("ce_zero").asDouble() - model.path("ce").asDouble());
        assertThat(model.path("ce_recovered_zero").asDouble()).isCloseTo(recovered, within(1e-9));
        assertThat(model.path("kl_zero").asDouble()).isPositive();
        assertThat(json.path("probes")).hasSize(2);
        assertThat(json.path("probes").get(0).path("accuracy").asDouble()).isBetween(0.0, 1.0);
    }

    @Test
    void refusesWhatCannotBe() {
        Path out = shared.resolve("refused");
        CommandRun.of("sae", "train", "--out", out).requireWrong("either --model DIR with --layers and --data, or --activations FILE");
        CommandRun.of("sae", "train", "--model", shared.resolve("model"), "--data", "x", "--out", out).requireWrong("--layers");
        train("refused", "--layers", "7").run().requireWrong("--layers is 7, expected layers from 0 to 1");
        train("refused", "--kind", "topk", "--k", "25").run().requireWrong("--k is 25, expected at most the width, 24");
        train("refused", "--matryoshka", "8,4").run().requireWrong("--matryoshka is [8, 4], expected rising widths");
        train("refused", "--resume").run().requireWrong("there is nothing to resume");
        train("sae").run().requireWrong("sae");
        CommandRun.of("sae", "eval", "--sae", shared.resolve("sae"), "--activations", "x").requireWrong("holds several SAEs");
    }

    /** docs/saes.md lists what sails_run.json holds. */
    @Test
    void optionsAreDocumented() throws IOException {
        String page = Files.readString(Path.of("..", "docs", "saes.md"));
        AllOptions.ofSae().forEach((name, records) -> assertThat(page).as(name).contains("<!-- options of sae " + name + ":begin -->\n"
            + AllOptions.table(records.subList(0, 1), name.equals("train") ? "sails_run.json" : "options")
            + "<!-- options of sae " + name + ":end -->"));
        assertThat(Options.of(SaeTrainOptions.defaults())).extracting(Options.Entry::name).doesNotHaveDuplicates();
    }
}
