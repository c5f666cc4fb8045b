package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.config.ModelConfig;
import io.sails4j.data.ControlTokens;
import io.sails4j.demo.BpeTrainer;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import java.io.IOException;
import java.io.OutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.SequencedMap;
import java.util.function.Consumer;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The command line as its user sees it: exit codes, one sentence for wrong input, nothing half-written. */
class MainTest {
    @TempDir
    private static Path shared;

    @TempDir
    private Path directory;

    @BeforeAll
    static void makeModel() throws IOException {
        ModelConfig config = ModelConfig.gemma2().vocabSize(64).dModel(16).layers(2).heads(2, 1).headDim(8).dFf(24).slidingWindow(4)
            .maxPositionEmbeddings(64).checkpointDtype(DType.F32).build();
        Files.createDirectory(shared.resolve("model"));
        try (Engine engine = Engine.open(EngineOptions.defaults());
             ModelWeights weights = ModelWeights.random(config, engine, DType.F32, 1)) {
            weights.writeInto(shared.resolve("model"), engine);
        }
    }

    private Path model() {
        return shared.resolve("model");
    }

    /** A copy of the model whose config.json is changed. */
    private Path modelWith(Consumer<ObjectNode> change) throws IOException {
        Path copy = Files.createTempDirectory(directory, "model");
        Files.copy(model().resolve("model.safetensors"), copy.resolve("model.safetensors"));
        ObjectNode json = (ObjectNode) new ObjectMapper().readTree(model().resolve("config.json").toFile());
        change.accept(json);
        Files.writeString(copy.resolve("config.json"), json.toString());
        return copy;
    }

    /** A copy of the model whose tensors are changed. */
    private Path modelWithTensors(Consumer<SequencedMap<String, HostTensor>> change) throws IOException {
        Path copy = Files.createTempDirectory(directory, "model");
        Files.copy(model().resolve("config.json"), copy.resolve("config.json"));
        try (SafetensorsFile file = SafetensorsFile.open(model().resolve("model.safetensors"))) {
            SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
            file.names().forEach(name -> tensors.put(name, file.tensor(name)));
            change.accept(tensors);
            SafetensorsWriter.write(copy.resolve("model.safetensors"), tensors, Map.of());
        }
        return copy;
    }

    private static CommandRun generate(Path model) {
        return CommandRun.of("generate", "--model", model, "--tokens", "2,3", "--max-new-tokens", "2");
    }

    @Test
    void helpAndUnknownOptions() {
        assertThat(CommandRun.of("--help").out()).contains("align", "Exit codes");
        assertThat(CommandRun.of("align", "--help").out()).contains("--constraint");
        CommandRun.of("inspect", "x", "--nonsense").requireWrong("--nonsense");
        CommandRun.of("nonsense").requireWrong("nonsense");
        CommandRun.of("bench", "walk").requireWrong("no group 'walk'", "kernels");
        CommandRun.of("bench", "--models", "27c").requireWrong("'27c'", "2b");
        CommandRun.of("selftest", "--reference", directory).requireWrong("manifest.json");
        CommandRun.of("generate", "--model", "x", "--tokens", "1", "--backend", "gpu").requireWrong("--backend is 'gpu'");
        CommandRun.of("generate", "--model", "x", "--tokens", "1", "--graphs", "yes").requireWrong("--graphs is 'yes'");
        CommandRun.of("generate", "--model", model(), "--tokens", "2,3", "--max-new-tokens", "2", "--backend", "cpu", "--graphs", "on")
            .requireWrong("cpu backend", "auto or off");
        assertThat(CommandRun.of("generate", "--model", model(), "--tokens", "1", "--backend", "cuda").code()).isEqualTo(1);
    }

    @Test
    void generationIsReproducible() {
        CommandRun greedy = CommandRun.of("generate", "--model", model(), "--tokens", "2,3", "--max-new-tokens", "5", "--json",
            "--ignore-eos");
        assertThat(greedy.code()).as(greedy.err()).isZero();
        assertThat(CommandRun.of("generate", "--model", model(), "--tokens", "2,3", "--max-new-tokens", "5", "--json", "--ignore-eos").out()
            .split("tokens_per_s")[0])
            .isEqualTo(greedy.out().split("tokens_per_s")[0]);
    }

    @Test
    void configurations() throws IOException {
        generate(directory.resolve("none")).requireWrong("none");
        generate(modelWith(j -> j.put("model_type", "gemma"))).requireWrong("model_type", "'gemma'", "'gemma2'");
        generate(modelWith(j -> j.put("model_type", "gemma3_text"))).requireWrong("'gemma3_text'");
        generate(modelWith(j -> j.put("sliding_window", 0))).requireWrong("sliding_window", "0", "positive");
        generate(modelWith(j -> j.remove("hidden_size"))).requireWrong("hidden_size");
        generate(modelWith(j -> j.put("num_key_value_heads", 3))).requireWrong("multiple");
        generate(modelWith(j -> j.put("tie_word_embeddings", false))).requireWrong("tie_word_embeddings");
        generate(modelWith(j -> j.put("vocab_size", 65))).requireWrong("shape", "[64, 16]", "[65, 16]");
        generate(modelWith(j -> j.put("num_hidden_layers", 3).remove("layer_types"))).requireWrong("lacks", "model.layers.2");
        generate(modelWith(j -> j.put("num_hidden_layers", 1).remove("layer_types"))).requireWrong("does not have", "model.layers.1");
    }

    @Test
    void weights() throws IOException {
        generate(modelWithTensors(t -> t.remove("model.norm.weight"))).requireWrong("lacks", "model.norm.weight");
        generate(modelWithTensors(t -> t.put("extra", HostTensor.ofFloats(new float[1], 1)))).requireWrong("extra");
        generate(modelWithTensors(t -> {
            float[] bad = new float[16];
            bad[3] = Float.NaN;
            t.put("model.norm.weight", HostTensor.ofFloats(bad, 16));
        })).requireWrong("NaN", "model.norm.weight");
        Path pickle = Files.createTempDirectory(directory, "model");
        Files.copy(model().resolve("config.json"), pickle.resolve("config.json"));
        Files.write(pickle.resolve("pytorch_model.bin"), new byte[10]);
        generate(pickle).requireWrong("pickle", "safetensors");
    }

    @Test
    void generationOptions() {
        CommandRun.of("generate", "--model", model(), "--tokens", "2,64", "--max-new-tokens", "2").requireWrong("64", "vocabulary");
        CommandRun.of("generate", "--model", model(), "--tokens", "2", "--max-new-tokens", "1000").requireWrong("max_position_embeddings");
        CommandRun.of("generate", "--model", model(), "--tokens", "2", "--temperature=-1").requireWrong("temperature");
        CommandRun.of("generate", "--model", model(), "--prompt", "hello").requireWrong("tokenizer.json");
    }

    @Test
    void whatIsOfNoKnownKind() throws Exception {
        Path fifo = directory.resolve("pipe.safetensors");
        assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor()).isZero();
        CommandRun.of("inspect", fifo).requireWrong("is a FIFO", "expected a model", "preference data");
        CommandRun.of("inspect", "/dev/null").requireWrong("is a character device", "expected a model");
        CommandRun.of("inspect", Files.writeString(directory.resolve("notes.txt"), "hello")).requireWrong("no kind that is known",
            "expected a model");
        CommandRun.of("inspect", Files.writeString(directory.resolve("page.txt"), "<html><title>Sign in</title>")).requireWrong("web page",
            "'Sign in'");
        Path empty = Files.createDirectory(directory.resolve("empty"));
        CommandRun.of("inspect", empty).requireWrong("is a directory with nothing", "expected a model");
        Files.copy(model().resolve("config.json"), Files.createDirectory(empty.resolve("inner")).resolve("config.json"));
        CommandRun.of("inspect", empty).requireWrong("name one of the models in it", "inner");
        Path blob = Files.copy(model().resolve("model.safetensors"), directory.resolve("blob"));
        assertThat(CommandRun.of("inspect", blob).out()).contains("safetensors file");
    }

    @Test
    void aRepositoryOfTheHubsCacheIsItsSnapshot() throws IOException {
        Path repository = directory.resolve("models--org--tiny");
        Path snapshot = Files.createDirectories(repository.resolve("snapshots")).resolve("0123456789".repeat(4));
        Files.createSymbolicLink(snapshot, model());
        CommandRun run = CommandRun.of("inspect", repository);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).contains("checkpoint, complete and finite");
    }

    @Test
    void aPromptMayBeginWithAnAt() {
        CommandRun.of("generate", "--model", model(), "--chat", "@" + model().resolve("config.json"))
            .requireWrong("tokenizer.json does not exist");
    }

    @Test
    void lengthsBeyondTheModelsPositions() throws IOException {
        Path data = Files.writeString(directory.resolve("pairs.jsonl"), pair("b", "c") + "\n");
        CommandRun
            .of("align", "--model", model(), "--data", data, "--method", "lora", "--out", directory.resolve("out"), "--max-length", "65")
            .requireWrong("--max-length is 65, more than the model's max_position_embeddings of 64");
        CommandRun.of("align", "--model", model(), "--method", "lora", "--plan", "--max-length", "4096").requireWrong("4096", "64");

        CommandRun
            .of("subspace", "--model", model(), "--sae", "0=" + directory, "--data", data, "--out", directory.resolve("s"), "--max-length",
                "65")
            .requireWrong("--max-length 64 or less");
    }

    @Test
    void preferenceData() throws IOException {
        inspect("{\"chosen\": \"a\"}\n").requireWrong("line 1", "rejected");
        inspect("{\"chosen\": \"\\n\\nHuman: a\\n\\nAssistant: b\", \"rejected\": \"\\n\\nHuman: a\\n\\nAssistant: c\"}\n{oops\n")
            .requireWrong("line 2", "JSON");
        inspect("{\"chosen\": 1, \"rejected\": 2}\n").requireWrong("line 1", "chosen");
        inspect("").requireWrong("is empty", "0 bytes");
        inspect("{\"chosen\": \"a\", \"rejected\": \"b\"}\n").requireWrong("Assistant");
        CommandRun crlf = inspect(pair("b", "c") + "\r\n" + pair("b", "b") + "\r\n" + pair(" ", "c") + "\r\n"
            + "{\"chosen\": \"\\n\\nHuman: a\\n\\nAssistant: b\", \"rejected\": \"\\n\\nHuman: x\\n\\nAssistant: c\"}\r\n");
        assertThat(crlf.code()).as(crlf.err()).isZero();
        assertThat(crlf.out()).contains("are the same", "an answer is empty", "different prompts").containsPattern("usable pairs +1");
        Path gz = directory.resolve("cut.jsonl.gz");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(gz))) {
            out.write((pair("b", "c") + "\n").repeat(2000).getBytes(StandardCharsets.UTF_8));
        }
        Files.write(gz, Arrays.copyOf(Files.readAllBytes(gz), (int) Files.size(gz) / 2));
        CommandRun.of("inspect", gz).requireWrong("cut off", "line");
        Path notGz = Files.writeString(directory.resolve("plain.jsonl.gz"), "{}\n");
        CommandRun.of("inspect", notGz).requireWrong("gzip");
    }

    /** What was recognised, what was left out, and the first usable pair as the model will see it. */
    @Test
    void inspectShowsTheFirstPairAsTokens() throws IOException {
        Path llama = directory.resolve("llama");
        Path gemma = directory.resolve("gemma");
        BpeTrainer.train(List.of("a b"), 300, ControlTokens.LLAMA3, llama.resolve("tokenizer.json"));
        BpeTrainer.train(List.of("a b"), 300, ControlTokens.GEMMA, gemma.resolve("tokenizer.json"));
        Path data = Files.writeString(directory.resolve("orca.json"), "[{\"question\": \"a\", \"chosen\": \" \", \"rejected\": \"b\"},"
            + " {\"system\": \"b\", \"question\": \"a\", \"chosen\": \"b\", \"rejected\": \"a\", \"score\": NaN}]");
        CommandRun run = CommandRun.of("inspect", data, "--model", llama, "--json");
        assertThat(run.code()).as(run.err()).isZero();
        JsonNode json = new ObjectMapper().readTree(run.out());
        assertThat(json.get("format").asText()).startsWith("Orca DPO");
        assertThat(json.get("entries").asInt()).isEqualTo(2);
        assertThat(json.get("left_out").get("an answer is empty").asInt()).isEqualTo(1);
        assertThat(json.get("notes").get(0).asText()).contains("(entry 1)");
        assertThat(json.get("first_pair").asText()).startsWith("entry 2 of ");
        assertThat(json.get("aligned").asText()).startsWith("<|begin_of_text|>|<|start_header_id|>|s").endsWith("|[b]|[<|eot_id|>]");
        assertThat(json.get("unaligned").asText()).contains("|\\n|\\n|a|<|eot_id|>|").endsWith("|[a]|[<|eot_id|>]");
        CommandRun other = CommandRun.of("inspect", data, "--model", gemma);
        assertThat(other.out()).contains("chat template does not know").containsPattern("pairs for this model +0");
        CommandRun.of("inspect", data, "--model", directory.resolve("none")).requireWrong("none", "does not exist");
    }

    private static String pair(String chosen, String rejected) {
        return "{\"chosen\": \"\\n\\nHuman: a\\n\\nAssistant: " + chosen + "\", \"rejected\": \"\\n\\nHuman: a\\n\\nAssistant: " + rejected
            + "\"}";
    }

    private CommandRun inspect(String jsonl) throws IOException {
        return CommandRun.of("inspect", Files.writeString(directory.resolve("data.jsonl"), jsonl));
    }

    /** The whole way through the command line, on token ids. */
    @Test
    void alignWritesAllOrNothing() throws IOException {
        Path tokens = directory.resolve("pairs.safetensors");
        writePairs(tokens);
        Path out = directory.resolve("adapter");
        CommandRun.of("align", "--model", model(), "--data", tokens, "--out", out).requireWrong("--subspace", "--sae");
        CommandRun.of("align", "--model", model(), "--data", tokens, "--out", out, "--method", "lora", "--constraint", "update")
            .requireWrong("update",
                "sails");
        CommandRun.of("align", "--model", model(), "--data", tokens, "--out", out, "--method", "lora", "--targets", "nope")
            .requireWrong("nope", "q_proj");
        CommandRun.of("align", "--model", model(), "--data", tokens, "--out", out, "--method", "lora", "--lr", "-1").requireWrong("lr");
        assertThat(out).doesNotExist();
        CommandRun run = CommandRun.of("align", "--model", model(), "--data", tokens, "--out", out, "--method", "lora", "-r", "2",
            "--epochs", "2",
            "--json");
        assertThat(run.code()).as(run.err()).isZero();
        JsonNode json = new ObjectMapper().readTree(run.out());
        assertThat(json.get("trainable_parameters").asLong()).isEqualTo(2 * 2 * (16 + 16 + 16 + 8 + 16 + 8 + 16 + 16));
        assertThat(out).isDirectoryContaining("glob:**/adapter_model.safetensors").isDirectoryContaining("glob:**/metrics.jsonl");
        assertThat(directory.resolve("adapter.partial")).doesNotExist();
        CommandRun.of("align", "--model", model(), "--data", tokens, "--out", out, "--method", "lora").requireWrong("exists already");
        assertThat(CommandRun.of("inspect", out, "--model", model()).out()).contains("PEFT LoRA adapter");
        CommandRun.of("inspect", out).requireWrong("--model");
        adapters(out);
        assertThat(CommandRun.of("merge", "--model", model(), "--adapter", out, "--out", directory.resolve("merged")).code()).isZero();
        assertThat(generate(directory.resolve("merged")).code()).isZero();
        assertThat(
            CommandRun.of("merge", "--model", model(), "--adapter", out, "--dtype", "bf16", "--out", directory.resolve("narrow")).code())
            .isZero();
        assertThat(CommandRun.of("inspect", directory.resolve("narrow")).out()).contains("BF16");
        unknownFieldsAreSaid(out);
    }

    private void unknownFieldsAreSaid(Path adapter) throws IOException {
        Path config = adapter.resolve("adapter_config.json");
        Files.writeString(config, Files.readString(config).replaceFirst("\\{", "{\"use_novelty\": true,"));
        JsonNode notes = new ObjectMapper().readTree(CommandRun.of("inspect", adapter, "--model", model(), "--json").out()).get("notes");
        assertThat(notes).hasSize(1);
        assertThat(notes.get(0).asText()).contains(config.toString(), "'use_novelty'", "true", "ignored");
        assertThat(CommandRun.of("inspect", adapter, "--model", model()).out()).contains(notes.get(0).asText());
        for (CommandRun run : List.of(
            CommandRun.of("generate", "--model", model(), "--adapter", adapter, "--tokens", "2,3", "--max-new-tokens", "1"),
            CommandRun.of("merge", "--model", model(), "--adapter", adapter, "--out", directory.resolve("said")))) {
            assertThat(run.code()).as(run.err()).isZero();
            assertThat(run.err()).contains(notes.get(0).asText());
        }
    }

    private void adapters(Path good) throws IOException {
        Path broken = directory.resolve("broken");
        Files.createDirectory(broken);
        Files.copy(good.resolve("adapter_config.json"), broken.resolve("adapter_config.json"));
        CommandRun.of("inspect", broken, "--model", model()).requireWrong("adapter_model.safetensors", "does not exist");
        try (SafetensorsFile file = SafetensorsFile.open(good.resolve("adapter_model.safetensors"))) {
            SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
            file.names().forEach(name -> tensors.put(name, file.tensor(name)));
            String name = tensors.keySet().stream().filter(n -> n.endsWith("lora_B.weight")).findFirst().orElseThrow();
            HostTensor b = tensors.remove(name);
            SafetensorsWriter.write(broken.resolve("adapter_model.safetensors"), tensors, Map.of());
            CommandRun.of("inspect", broken, "--model", model()).requireWrong("lacks", "lora_B");
            tensors.put(name, HostTensor.ofFloats(new float[(int) b.shape().dim(0) * 3], b.shape().dim(0), 3));
            SafetensorsWriter.write(broken.resolve("adapter_model.safetensors"), tensors, Map.of());
            CommandRun.of("inspect", broken, "--model", model()).requireWrong("rank 2");
            tensors.put(name, HostTensor.ofFloats(new float[] {1, 2}, 1, 2));
            SafetensorsWriter.write(broken.resolve("adapter_model.safetensors"), tensors, Map.of());
            CommandRun.of("inspect", broken, "--model", model()).requireWrong("another base model");
        }
    }

    private static void writePairs(Path path) {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        for (String side : List.of("aligned.", "unaligned.")) {
            int[] ids = new int[3 * 6];
            int[] counted = new int[ids.length];
            int[] mask = new int[ids.length];
            for (int i = 0; i < ids.length; i++) {
                ids[i] = 3 + (i * 7 + side.length()) % 50;
                mask[i] = 1;
                counted[i] = i % 6 >= 3 ? 1 : 0;
            }
            tensors.put(side + "input_ids", HostTensor.ofInts(ids, 3, 6));
            tensors.put(side + "attention_mask", HostTensor.ofInts(mask, 3, 6));
            tensors.put(side + "token_mask", HostTensor.ofInts(counted, 3, 6));
        }
        SafetensorsWriter.write(path, tensors, Map.of());
    }
}
