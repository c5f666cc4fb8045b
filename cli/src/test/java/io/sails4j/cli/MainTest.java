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
import java.io.PrintWriter;
import java.io.StringWriter;
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
import picocli.CommandLine;

/** The command line as its user sees it: exit codes, one sentence for wrong input, nothing half-written. */
class MainTest {
    @TempDir
    private static Path shared;

    @TempDir
    private Path directory;

    private record Run(int code, String out, String err) {
    }

    private static Run run(Object... args) {
        StringWriter out = new StringWriter();
        StringWriter err = new StringWriter();
        CommandLine command = Main.commandLine().setOut(new PrintWriter(out)).setErr(new PrintWriter(err));
        String[] texts = Arrays.stream(args).map(String::valueOf).toArray(String[]::new);
        int code = command.execute(texts);
        return new Run(code, out.toString(), err.toString());
    }

    /** Exit code 2 and one line that begins with {@code sails:} and holds the parts. */
    private static void wrong(Run run, String... parts) {
        assertThat(run.code()).as(run.err()).isEqualTo(2);
        List<String> lines = run.err().lines().filter(l -> !l.startsWith("backend:") && !l.startsWith("data:")).toList();
        assertThat(lines).hasSize(1);
        assertThat(lines.getFirst()).startsWith("sails: ").contains(parts);
        assertThat(run.out()).isEmpty();
    }

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

    private static Run generate(Path model) {
        return run("generate", "--model", model, "--tokens", "2,3", "--max-new-tokens", "2");
    }

    @Test
    void helpAndUnknownOptions() {
        assertThat(run("--help").out()).contains("align", "Exit codes");
        assertThat(run("align", "--help").out()).contains("--constraint");
        wrong(run("inspect", "x", "--nonsense"), "--nonsense");
        wrong(run("nonsense"), "nonsense");
        wrong(run("bench", "walk"), "no group 'walk'", "kernels");
        wrong(run("bench", "--models", "27c"), "'27c'", "2b");
        wrong(run("selftest", "--reference", directory), "manifest.json");
        wrong(run("generate", "--model", "x", "--tokens", "1", "--backend", "gpu"), "--backend is 'gpu'");
        wrong(run("generate", "--model", "x", "--tokens", "1", "--graphs", "yes"), "--graphs is 'yes'");
        wrong(run("generate", "--model", model(), "--tokens", "2,3", "--max-new-tokens", "2", "--backend", "cpu", "--graphs", "on"),
            "cpu backend", "auto or off");
        assertThat(run("generate", "--model", model(), "--tokens", "1", "--backend", "cuda").code()).isEqualTo(1);
    }

    @Test
    void generationIsReproducible() {
        Run greedy = run("generate", "--model", model(), "--tokens", "2,3", "--max-new-tokens", "5", "--json", "--ignore-eos");
        assertThat(greedy.code()).as(greedy.err()).isZero();
        assertThat(run("generate", "--model", model(), "--tokens", "2,3", "--max-new-tokens", "5", "--json", "--ignore-eos").out()
            .split("tokens_per_s")[0])
            .isEqualTo(greedy.out().split("tokens_per_s")[0]);
    }

    @Test
    void configurations() throws IOException {
        wrong(generate(directory.resolve("none")), "none");
        wrong(generate(modelWith(j -> j.put("model_type", "gemma"))), "model_type", "'gemma'", "'gemma2'");
        wrong(generate(modelWith(j -> j.put("model_type", "gemma3_text"))), "'gemma3_text'");
        wrong(generate(modelWith(j -> j.put("sliding_window", 0))), "sliding_window", "0", "positive");
        wrong(generate(modelWith(j -> j.remove("hidden_size"))), "hidden_size");
        wrong(generate(modelWith(j -> j.put("num_key_value_heads", 3))), "multiple");
        wrong(generate(modelWith(j -> j.put("tie_word_embeddings", false))), "tie_word_embeddings");
        wrong(generate(modelWith(j -> j.put("vocab_size", 65))), "shape", "[64, 16]", "[65, 16]");
        wrong(generate(modelWith(j -> j.put("num_hidden_layers", 3).remove("layer_types"))), "lacks", "model.layers.2");
        wrong(generate(modelWith(j -> j.put("num_hidden_layers", 1).remove("layer_types"))), "does not have", "model.layers.1");
    }

    @Test
    void weights() throws IOException {
        wrong(generate(modelWithTensors(t -> t.remove("model.norm.weight"))), "lacks", "model.norm.weight");
        wrong(generate(modelWithTensors(t -> t.put("extra", HostTensor.ofFloats(new float[1], 1)))), "extra");
        wrong(generate(modelWithTensors(t -> {
            float[] bad = new float[16];
            bad[3] = Float.NaN;
            t.put("model.norm.weight", HostTensor.ofFloats(bad, 16));
        })), "NaN", "model.norm.weight");
        Path pickle = Files.createTempDirectory(directory, "model");
        Files.copy(model().resolve("config.json"), pickle.resolve("config.json"));
        Files.write(pickle.resolve("pytorch_model.bin"), new byte[10]);
        wrong(generate(pickle), "pickle", "safetensors");
    }

    @Test
    void generationOptions() {
        wrong(run("generate", "--model", model(), "--tokens", "2,64", "--max-new-tokens", "2"), "64", "vocabulary");
        wrong(run("generate", "--model", model(), "--tokens", "2", "--max-new-tokens", "1000"), "max_position_embeddings");
        wrong(run("generate", "--model", model(), "--tokens", "2", "--temperature=-1"), "temperature");
        wrong(run("generate", "--model", model(), "--prompt", "hello"), "tokenizer.json");
    }

    @Test
    void whatIsOfNoKnownKind() throws Exception {
        Path fifo = directory.resolve("pipe.safetensors");
        assertThat(new ProcessBuilder("mkfifo", fifo.toString()).start().waitFor()).isZero();
        wrong(run("inspect", fifo), "is a FIFO", "expected a model", "preference data");
        wrong(run("inspect", "/dev/null"), "is a character device", "expected a model");
        wrong(run("inspect", Files.writeString(directory.resolve("notes.txt"), "hello")), "no kind that is known", "expected a model");
        wrong(run("inspect", Files.writeString(directory.resolve("page.txt"), "<html><title>Sign in</title>")), "web page", "'Sign in'");
        Path empty = Files.createDirectory(directory.resolve("empty"));
        wrong(run("inspect", empty), "is a directory with nothing", "expected a model");
        Files.copy(model().resolve("config.json"), Files.createDirectory(empty.resolve("inner")).resolve("config.json"));
        wrong(run("inspect", empty), "name one of the models in it", "inner");
        Path blob = Files.copy(model().resolve("model.safetensors"), directory.resolve("blob"));
        assertThat(run("inspect", blob).out()).contains("safetensors file");
    }

    @Test
    void aRepositoryOfTheHubsCacheIsItsSnapshot() throws IOException {
        Path repository = directory.resolve("models--org--tiny");
        Path snapshot = Files.createDirectories(repository.resolve("snapshots")).resolve("0123456789".repeat(4));
        Files.createSymbolicLink(snapshot, model());
        Run run = run("inspect", repository);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).contains("checkpoint, complete and finite");
    }

    @Test
    void aPromptMayBeginWithAnAt() {
        wrong(run("generate", "--model", model(), "--chat", "@" + model().resolve("config.json")), "tokenizer.json does not exist");
    }

    @Test
    void lengthsBeyondTheModelsPositions() throws IOException {
        Path data = Files.writeString(directory.resolve("pairs.jsonl"), pair("b", "c") + "\n");
        wrong(run("align", "--model", model(), "--data", data, "--method", "lora", "--out", directory.resolve("out"), "--max-length", "65"),
            "--max-length is 65, more than the model's max_position_embeddings of 64");
        wrong(run("align", "--model", model(), "--method", "lora", "--plan", "--max-length", "4096"), "4096", "64");
        wrong(
            run("subspace", "--model", model(), "--sae", "0=" + directory, "--data", data, "--out", directory.resolve("s"), "--max-length",
                "65"),
            "--max-length 64 or less");
    }

    @Test
    void preferenceData() throws IOException {
        wrong(inspect("{\"chosen\": \"a\"}\n"), "line 1", "rejected");
        wrong(inspect("{\"chosen\": \"\\n\\nHuman: a\\n\\nAssistant: b\", \"rejected\": \"\\n\\nHuman: a\\n\\nAssistant: c\"}\n{oops\n"),
            "line 2", "JSON");
        wrong(inspect("{\"chosen\": 1, \"rejected\": 2}\n"), "line 1", "chosen");
        wrong(inspect(""), "is empty", "0 bytes");
        wrong(inspect("{\"chosen\": \"a\", \"rejected\": \"b\"}\n"), "Assistant");
        Run crlf = inspect(pair("b", "c") + "\r\n" + pair("b", "b") + "\r\n" + pair(" ", "c") + "\r\n"
            + "{\"chosen\": \"\\n\\nHuman: a\\n\\nAssistant: b\", \"rejected\": \"\\n\\nHuman: x\\n\\nAssistant: c\"}\r\n");
        assertThat(crlf.code()).as(crlf.err()).isZero();
        assertThat(crlf.out()).contains("are the same", "an answer is empty", "different prompts").containsPattern("usable pairs +1");
        Path gz = directory.resolve("cut.jsonl.gz");
        try (OutputStream out = new GZIPOutputStream(Files.newOutputStream(gz))) {
            out.write((pair("b", "c") + "\n").repeat(2000).getBytes(StandardCharsets.UTF_8));
        }
        Files.write(gz, Arrays.copyOf(Files.readAllBytes(gz), (int) Files.size(gz) / 2));
        wrong(run("inspect", gz), "cut off", "line");
        Path notGz = Files.writeString(directory.resolve("plain.jsonl.gz"), "{}\n");
        wrong(run("inspect", notGz), "gzip");
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
        Run run = run("inspect", data, "--model", llama, "--json");
        assertThat(run.code()).as(run.err()).isZero();
        JsonNode json = new ObjectMapper().readTree(run.out());
        assertThat(json.get("format").asText()).startsWith("Orca DPO");
        assertThat(json.get("entries").asInt()).isEqualTo(2);
        assertThat(json.get("left_out").get("an answer is empty").asInt()).isEqualTo(1);
        assertThat(json.get("notes").get(0).asText()).contains("(entry 1)");
        assertThat(json.get("first_pair").asText()).startsWith("entry 2 of ");
        assertThat(json.get("aligned").asText()).startsWith("<|begin_of_text|>|<|start_header_id|>|s").endsWith("|[b]|[<|eot_id|>]");
        assertThat(json.get("unaligned").asText()).contains("|\\n|\\n|a|<|eot_id|>|").endsWith("|[a]|[<|eot_id|>]");
        Run other = run("inspect", data, "--model", gemma);
        assertThat(other.out()).contains("chat template does not know").containsPattern("pairs for this model +0");
        wrong(run("inspect", data, "--model", directory.resolve("none")), "none", "does not exist");
    }

    private static String pair(String chosen, String rejected) {
        return "{\"chosen\": \"\\n\\nHuman: a\\n\\nAssistant: " + chosen + "\", \"rejected\": \"\\n\\nHuman: a\\n\\nAssistant: " + rejected
            + "\"}";
    }

    private Run inspect(String jsonl) throws IOException {
        return run("inspect", Files.writeString(directory.resolve("data.jsonl"), jsonl));
    }

    /** The whole way through the command line, on token ids. */
    @Test
    void alignWritesAllOrNothing() throws IOException {
        Path tokens = directory.resolve("pairs.safetensors");
        writePairs(tokens);
        Path out = directory.resolve("adapter");
        wrong(run("align", "--model", model(), "--data", tokens, "--out", out), "--subspace", "--sae");
        wrong(run("align", "--model", model(), "--data", tokens, "--out", out, "--method", "lora", "--constraint", "update"), "update",
            "sails");
        wrong(run("align", "--model", model(), "--data", tokens, "--out", out, "--method", "lora", "--targets", "nope"), "nope", "q_proj");
        wrong(run("align", "--model", model(), "--data", tokens, "--out", out, "--method", "lora", "--lr", "-1"), "lr");
        assertThat(out).doesNotExist();
        Run run = run("align", "--model", model(), "--data", tokens, "--out", out, "--method", "lora", "-r", "2", "--epochs", "2",
            "--json");
        assertThat(run.code()).as(run.err()).isZero();
        JsonNode json = new ObjectMapper().readTree(run.out());
        assertThat(json.get("trainable_parameters").asLong()).isEqualTo(2 * 2 * (16 + 16 + 16 + 8 + 16 + 8 + 16 + 16));
        assertThat(out).isDirectoryContaining("glob:**/adapter_model.safetensors").isDirectoryContaining("glob:**/metrics.jsonl");
        assertThat(directory.resolve("adapter.partial")).doesNotExist();
        wrong(run("align", "--model", model(), "--data", tokens, "--out", out, "--method", "lora"), "exists already");
        assertThat(run("inspect", out, "--model", model()).out()).contains("PEFT LoRA adapter");
        wrong(run("inspect", out), "--model");
        adapters(out);
        assertThat(run("merge", "--model", model(), "--adapter", out, "--out", directory.resolve("merged")).code()).isZero();
        assertThat(generate(directory.resolve("merged")).code()).isZero();
        assertThat(run("merge", "--model", model(), "--adapter", out, "--dtype", "bf16", "--out", directory.resolve("narrow")).code())
            .isZero();
        assertThat(run("inspect", directory.resolve("narrow")).out()).contains("BF16");
        unknownFieldsAreSaid(out);
    }

    private void unknownFieldsAreSaid(Path adapter) throws IOException {
        Path config = adapter.resolve("adapter_config.json");
        Files.writeString(config, Files.readString(config).replaceFirst("\\{", "{\"use_novelty\": true,"));
        JsonNode notes = new ObjectMapper().readTree(run("inspect", adapter, "--model", model(), "--json").out()).get("notes");
        assertThat(notes).hasSize(1);
        assertThat(notes.get(0).asText()).contains(config.toString(), "'use_novelty'", "true", "ignored");
        assertThat(run("inspect", adapter, "--model", model()).out()).contains(notes.get(0).asText());
        for (Run run : List.of(run("generate", "--model", model(), "--adapter", adapter, "--tokens", "2,3", "--max-new-tokens", "1"),
            run("merge", "--model", model(), "--adapter", adapter, "--out", directory.resolve("said")))) {
            assertThat(run.code()).as(run.err()).isZero();
            assertThat(run.err()).contains(notes.get(0).asText());
        }
    }

    private void adapters(Path good) throws IOException {
        Path broken = directory.resolve("broken");
        Files.createDirectory(broken);
        Files.copy(good.resolve("adapter_config.json"), broken.resolve("adapter_config.json"));
        wrong(run("inspect", broken, "--model", model()), "adapter_model.safetensors", "does not exist");
        try (SafetensorsFile file = SafetensorsFile.open(good.resolve("adapter_model.safetensors"))) {
            SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
            file.names().forEach(name -> tensors.put(name, file.tensor(name)));
            String name = tensors.keySet().stream().filter(n -> n.endsWith("lora_B.weight")).findFirst().orElseThrow();
            HostTensor b = tensors.remove(name);
            SafetensorsWriter.write(broken.resolve("adapter_model.safetensors"), tensors, Map.of());
            wrong(run("inspect", broken, "--model", model()), "lacks", "lora_B");
            tensors.put(name, HostTensor.ofFloats(new float[(int) b.shape().dim(0) * 3], b.shape().dim(0), 3));
            SafetensorsWriter.write(broken.resolve("adapter_model.safetensors"), tensors, Map.of());
            wrong(run("inspect", broken, "--model", model()), "rank 2");
            tensors.put(name, HostTensor.ofFloats(new float[] {1, 2}, 1, 2));
            SafetensorsWriter.write(broken.resolve("adapter_model.safetensors"), tensors, Map.of());
            wrong(run("inspect", broken, "--model", model()), "another base model");
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
