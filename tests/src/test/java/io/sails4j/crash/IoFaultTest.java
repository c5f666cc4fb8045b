package io.sails4j.crash;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Each call with which a run changes files fails once, as on a full or a broken disk: no work is lost, and what happened is said. Every one
 * of them with {@code -Dsails.slow=true} (five minutes), else some spread over the run.
 */
class IoFaultTest {
    private static final String ENOSPC = "28";
    private static final String EIO = "5";
    /** Where not every call is tried: enough for each kind of file, coprime to what repeats in a step. */
    private static final int STRIDE = 37;

    @TempDir
    private Path temporary;

    @Test
    void everyWriteFailsOnce() throws IOException, InterruptedException {
        Path library = compile();
        TrainingProcess.makeWorld(temporary);
        TrainingProcess training = new TrainingProcess(temporary, "--max-steps", "2", "--checkpoint-every", "1", "--keep-checkpoints", "1");
        Path outputs = Files.createDirectory(temporary.resolve("outputs"));
        Path count = temporary.resolve("count");
        TrainingProcess.Ended whole = training.run(outputs.resolve("whole"), false,
            Map.of("LD_PRELOAD", library.toString(), "SAILS_FAULT_UNDER", outputs.toString(), "SAILS_FAULT_COUNT", count.toString()));
        assertThat(whole.exit()).as(whole.output()).isZero();
        int calls = Integer.parseInt(Files.readString(count).strip());
        assertThat(calls).as("calls that change files").isGreaterThan(30);

        List<String> lost = new ArrayList<>();
        int wentOn = 0;
        int tried = 0;
        for (int at = 1; at <= calls; at += Boolean.getBoolean("sails.slow") ? 1 : STRIDE) {
            tried++;
            Path out = outputs.resolve("out" + at);
            TrainingProcess.Ended ended = training.run(out, false,
                Map.of("LD_PRELOAD", library.toString(), "SAILS_FAULT_UNDER", outputs.toString(),
                    "SAILS_FAULT_AT", String.valueOf(at), "SAILS_FAULT_ERRNO", at % 2 == 0 ? ENOSPC : EIO));
            wentOn += ended.exit() == 0 ? 1 : 0;
            if (ended.exit() != 0) {
                assertThat(ended.output()).as("call " + at).contains("sails: ").doesNotContain("unexpected failure");
                boolean resume = Files.exists(outputs.resolve("out" + at + ".partial/checkpoints"));
                TrainingProcess.Ended again = Files.exists(out) ? ended : training.run(out, resume, Map.of());
                if (!Files.exists(out)) {
                    lost.add("call " + at + ": " + ended.output() + " then " + again.output());
                    continue;
                }
            }
            if (Files.mismatch(outputs.resolve("whole/adapter_model.safetensors"), out.resolve("adapter_model.safetensors")) != -1) {
                lost.add("call " + at + ": another adapter after " + ended.output());
            }
        }
        System.out.println(tried + " of " + calls + " calls failed once each; " + wentOn
            + " runs went on to their end, the others after --resume or a new start");
        assertThat(lost).isEmpty();
    }

    private Path compile() throws IOException, InterruptedException {
        Path library = temporary.resolve("libio_faults.so");
        String compiler = System.getenv().getOrDefault("CC", "gcc");
        Process process = new ProcessBuilder(compiler, "-O1", "-shared", "-fPIC", "-o", library.toString(), "native/io_faults.c", "-ldl")
            .inheritIO().start();
        assertThat(process.waitFor()).as("compiling native/io_faults.c").isZero();
        return library;
    }
}
