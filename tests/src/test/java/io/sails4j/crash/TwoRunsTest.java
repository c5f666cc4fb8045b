package io.sails4j.crash;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Two runs, one OUT. */
class TwoRunsTest {
    @TempDir
    private Path root;

    @Test
    void theSecondIsRefusedAtOnceAndAKilledOnesClaimIsTakenOver() throws Exception {
        TrainingProcess.makeWorld(root);
        Path out = root.resolve("out");
        Process first = new TrainingProcess(root, "--epochs", "100000", "--checkpoint-every", "0").start(out, false, Map.of());
        try {
            // Written by the first when its claim stands.
            Path metrics = root.resolve("out.partial/metrics.jsonl");
            for (int i = 0; i < 600 && first.isAlive() && Files.notExists(metrics); i++) {
                Thread.sleep(100);
            }
            assertThat(metrics).exists();
            // It holds its claim without taking the second's time.
            assertThat(new ProcessBuilder("kill", "-STOP", String.valueOf(first.pid())).start().waitFor()).isZero();
            TrainingProcess.Ended second = new TrainingProcess(root, "--epochs", "1", "-r", "2").run(out, false, Map.of());
            assertThat(second.exit()).isEqualTo(2);
            assertThat(second.output()).contains("is written by another run (process " + first.pid() + " on ");
        } finally {
            first.destroyForcibly().waitFor();
        }
        TrainingProcess.Ended third = new TrainingProcess(root, "--epochs", "1").run(out, false, Map.of());
        assertThat(third.output()).contains("process " + first.pid() + " on ", "is gone; its claim is taken over");
        assertThat(third.exit()).isZero();
        assertThat(out.resolve("adapter_model.safetensors")).exists();
        assertThat(root.resolve("out.partial")).doesNotExist();
    }
}
