package io.sails4j.cli;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A Git LFS pointer in the place of each kind of file that a command line names: each is called what it is. */
class ForeignInputsTest {
    @TempDir
    private Path directory;

    @ParameterizedTest
    @ValueSource(strings = {"eval --model m --prompts @ --out x", "eval --model m --perplexity @ --out x",
        "eval --model m --choices @ --out x", "eval --model m --kl @ --out x", "judge --completions @ --out x", "study @ --out x",
        "sae train --activations @ --out x", "sae eval --sae @ --activations a", "encode --sae @ --input i --out x", "inspect @"})
    void aPointerIsCalledOne(String line) throws IOException {
        Path pointer = Files.writeString(directory.resolve("file"), "version https://git-lfs.github.com/spec/v1\noid sha256:"
            + "4d7a214614ab2935c943f9e0ff69d22eadbb8f32b1258daaa5e2ca24d17e2393\nsize 12345\n");
        CommandRun.of((Object[]) line.replace("@", pointer.toString()).replace(" x", " " + directory.resolve("x")).split(" "))
            .requireWrong("Git LFS pointer", "12345 bytes");
    }

    @Test
    void promptsAreTexts() throws IOException {
        Path prompts = Files.writeString(directory.resolve("p.jsonl"), "{\"prompt\":[\"a\"],\"wanted\":\"refuse\"}\n");
        CommandRun.of("eval", "--model", "m", "--prompts", prompts, "--out", directory.resolve("x")).requireWrong("line 1 of",
            "has [\"a\"] in 'prompt', expected a text");
    }
}
