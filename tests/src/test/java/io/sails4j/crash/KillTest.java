package io.sails4j.crash;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A run that is killed at random moments, most of which fall into writes because it writes a checkpoint after every step. */
class KillTest {
    private static final int KILLS = Boolean.getBoolean("sails.slow") ? 40 : 4;

    @TempDir
    private Path temporary;

    @Test
    void killedAgainAndAgainItEndsWithTheSameAdapter() throws IOException, InterruptedException {
        TrainingProcess.makeWorld(temporary);
        TrainingProcess training = new TrainingProcess(temporary, "--objective", "dpo", "--epochs", "40", "--max-steps", "60",
            "--checkpoint-every", "1",
            "--eval-every", "20", "--keep-best");
        Path whole = temporary.resolve("whole");
        long begin = System.nanoTime();
        TrainingProcess.Ended uninterrupted = training.run(whole, false, Map.of());
        long wholeMillis = (System.nanoTime() - begin) / 1_000_000;
        assertThat(uninterrupted.exit()).as(uninterrupted.output()).isZero();

        Random random = new Random(8);
        int killed = 0;
        int finished = 0;
        Path out = temporary.resolve("out0");
        while (killed < KILLS || !Files.exists(out)) {
            boolean resume = Files.exists(temporary.resolve(out.getFileName() + ".partial/checkpoints/latest"));
            if (killed == KILLS) {
                TrainingProcess.Ended last = training.run(out, resume, Map.of());
                assertThat(last.exit()).as(last.output()).isZero();
                continue;
            }
            Process process = training.start(out, resume, Map.of());
            Thread reader = Thread.startVirtualThread(() -> drain(process));
            if (process.waitFor(random.nextLong(wholeMillis), TimeUnit.MILLISECONDS)) {
                assertThat(process.exitValue()).isZero();
            } else {
                process.destroyForcibly().waitFor();
                killed++;
            }
            reader.join();
            if (Files.exists(out)) {
                assertSameAdapter(whole, out);
                out = temporary.resolve("out" + ++finished);
            }
        }
        assertSameAdapter(whole, out);
        System.out.println("killed " + killed + " times in " + (finished + 1) + " runs of " + wholeMillis + " ms");
    }

    private static void drain(Process process) {
        try {
            process.getInputStream().readAllBytes();
        } catch (IOException e) {
            // The process was killed: there is nothing more to read.
            return;
        }
    }

    private static void assertSameAdapter(Path a, Path b) throws IOException {
        assertThat(Files.mismatch(a.resolve("adapter_model.safetensors"), b.resolve("adapter_model.safetensors"))).isEqualTo(-1);
    }
}
