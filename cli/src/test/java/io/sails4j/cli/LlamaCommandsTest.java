package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.config.ModelConfig;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.io.SafetensorsWriter;
import io.sails4j.tensor.HostTensor;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SequencedMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The commands that take a model, on a Llama that {@code init} makes. */
class LlamaCommandsTest {
    @TempDir
    private Path directory;
    private Path model;

    private static JsonNode ok(Object... arguments) throws IOException {
        Object[] withJson = Arrays.copyOf(arguments, arguments.length + 1);
        withJson[arguments.length] = "--json";
        CommandRun run = CommandRun.of(withJson);
        assertThat(run.code()).as(run.err()).isZero();
        return new ObjectMapper().readTree(run.out());
    }

    @BeforeEach
    void init() throws IOException {
        model = directory.resolve("model");
        SmallLlama.make(model, false, 0);
    }

    @Test
    void inspectGenerateAndTrace() throws IOException {
        JsonNode inspected = ok("inspect", model);
        assertThat(inspected.get("kind").asText()).startsWith("Llama checkpoint");
        assertThat(inspected.get("output_matrix").asText()).isEqualTo("its own");
        ModelConfig config = ModelConfig.read(model);
        assertThat(config.bosId()).isZero();
        assertThat(config.eosIds()).containsExactly(1, 5);
        JsonNode answer = ok("generate", "--model", model, "--chat", "may I", "--max-new-tokens", "3", "--ignore-eos");
        assertThat(answer.get("prompt_ids").get(0).asInt()).isZero();
        assertThat(answer.get("new_ids")).hasSize(3);
        SequencedMap<String, HostTensor> batch = new LinkedHashMap<>();
        for (String name : new String[] {"input_ids", "labels", "attention_mask"}) {
            batch.put(name, HostTensor.ofInts(name.equals("attention_mask") ? new int[] {1, 1, 1} : new int[] {3, 4, 5}, 1, 3));
        }
        Path file = directory.resolve("batch.safetensors");
        SafetensorsWriter.write(file, batch, Map.of());
        ok("trace", "--model", model, "--batch", file, "--gradients", "all", "--out", directory.resolve("trace.safetensors"));
        try (SafetensorsFile trace = SafetensorsFile.open(directory.resolve("trace.safetensors"))) {
            assertThat(trace.names()).contains("grad.lm_head.weight", "grad.model.embed_tokens.weight",
                "grad.model.layers.1.post_attention_layernorm.weight")
                .doesNotContain("grad.model.layers.1.pre_feedforward_layernorm.weight");
        }
    }

    @Test
    void theOutputMatrixAndTheConfigurationMustAgree() throws IOException {
        ObjectNode json = (ObjectNode) new ObjectMapper().readTree(model.resolve("config.json").toFile());
        Files.writeString(model.resolve("config.json"), json.put("tie_word_embeddings", true).toString());
        CommandRun differs = CommandRun.of("generate", "--model", model, "--tokens", "3", "--max-new-tokens", "1");
        assertThat(differs.code()).isEqualTo(2);
        assertThat(differs.err()).contains("lm_head.weight", "tie_word_embeddings");
        Files.writeString(model.resolve("config.json"), json.put("tie_word_embeddings", false).toString());
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>();
        Path weights = model.resolve("model.safetensors");
        try (SafetensorsFile file = SafetensorsFile.open(weights)) {
            file.names().stream().filter(name -> !name.startsWith("lm_head")).forEach(name -> tensors.put(name, file.tensor(name)));
            SafetensorsWriter.write(directory.resolve("without.safetensors"), tensors, Map.of());
        }
        Files.move(directory.resolve("without.safetensors"), weights, StandardCopyOption.REPLACE_EXISTING);
        CommandRun lacks = CommandRun.of("generate", "--model", model, "--tokens", "3", "--max-new-tokens", "1");
        assertThat(lacks.code()).isEqualTo(2);
        assertThat(lacks.err()).contains("lacks 1 of the model's tensors", "lm_head.weight");
    }
}
