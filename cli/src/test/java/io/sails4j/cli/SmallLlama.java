package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.config.ModelConfig;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/** A Llama of two small layers with its tokenizer, as {@code init} makes it. */
final class SmallLlama {
    private SmallLlama() {
    }

    /**
     * Makes one.
     *
     * @param out its directory; what it is made from lies beside it
     * @param tied whether the output matrix is the embedding
     */
    static void make(Path out, boolean tied, long seed) throws IOException {
        ObjectNode shape = ModelConfig.llama32_1b().toJson();
        shape.put("vocab_size", 320).put("hidden_size", 24).put("num_hidden_layers", 2).put("num_attention_heads", 4)
            .put("num_key_value_heads", 2);
        shape.put("head_dim", 8).put("intermediate_size", 40).put("tie_word_embeddings", tied).put("torch_dtype", "float32");
        Path file = Files.writeString(out.resolveSibling("shape.json"), shape.toString());
        Path data = Files.writeString(out.resolveSibling("pairs.jsonl"),
            "{\"prompt\": \"may I\", \"chosen\": \"yes you may\", \"rejected\": \"no\"}\n".repeat(4));
        CommandRun run = CommandRun.of("init", "--backend", "cpu", "--shape", file, "--tokenizer-data", data, "--out", out, "--seed", seed);
        assertThat(run.code()).as(run.err()).isZero();
    }
}
