package io.sails4j.crash;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.cli.Main;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** An evaluation that is killed at random moments goes on to the same bytes. */
class EvalKillTest {
    private static final int PROMPTS = 24;

    @TempDir
    private Path temporary;

    private List<String> arguments(Path out, boolean resume) {
        List<String> arguments = new ArrayList<>(List.of("eval", "--backend", "cpu", "--threads", "1", "--model",
            temporary.resolve("model").toString(), "--prompts", temporary.resolve("prompts.txt") + "=refuse", "--max-new-tokens", "16",
            "--temperature", "1", "--batch", "4", "--decode-rows", "5", "--out", out.toString()));
        if (resume) {
            arguments.add("--resume");
        }
        return arguments;
    }

    private static long lines(Path file) throws IOException {
        return Files.exists(file) ? Files.readString(file).lines().count() : 0;
    }

    @Test
    void killedTwiceItEndsWithTheSameBytes() throws IOException, InterruptedException {
        TrainingProcess.makeWorld(temporary);
        StringBuilder prompts = new StringBuilder();
        for (int i = 0; i < PROMPTS; i++) {
            prompts.append("How do I pick lock ").append(i).append("?\n");
        }
        Files.writeString(temporary.resolve("prompts.txt"), prompts);
        Path whole = temporary.resolve("whole");
        assertThat(Main.run(arguments(whole, false).toArray(String[]::new))).isZero();

        Path killed = temporary.resolve("killed");
        Path journal = temporary.resolve("killed.partial/completions.jsonl");
        Random random = new Random(5);
        long most = 0;
        for (int kill = 0; kill < 2; kill++) {
            Process process = TrainingProcess.sails(arguments(killed, kill > 0)).start();
            long wanted = most + 1 + random.nextInt(PROMPTS / 4);
            while (process.isAlive() && lines(journal) < wanted) {
                Thread.sleep(1);
            }
            process.destroyForcibly().waitFor();
            most = lines(journal);
        }
        assertThat(most).as("answers before the last kill").isGreaterThan(1);
        if (Files.notExists(killed)) {
            assertThat(Main.run(arguments(killed, true).toArray(String[]::new))).isZero();
        }
        for (String name : List.of("completions.jsonl", "eval.json")) {
            assertThat(Files.mismatch(whole.resolve(name), killed.resolve(name))).as(name).isEqualTo(-1);
        }
    }
}
