package io.sails4j.crash;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.cli.Main;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** A run that goes on must have the options of its first part, but for those that do not decide the result. */
class ResumeOptionsTest {
    @TempDir
    private static Path temporary;
    private static TrainingProcess training;
    private static Path out;

    @BeforeAll
    static void killARun() throws IOException, InterruptedException {
        TrainingProcess.makeWorld(temporary);
        training = new TrainingProcess(temporary, "--epochs", "400", "--max-steps", "4000", "--checkpoint-every", "1", "--limit", "30");
        out = temporary.resolve("out");
        Process process = training.start(out, false, Map.of());
        Path latest = temporary.resolve("out.partial/checkpoints/latest");
        while (process.isAlive() && !Files.exists(latest)) {
            Thread.sleep(10);
        }
        process.destroyForcibly().waitFor();
        assertThat(latest).exists();
    }

    @ParameterizedTest
    @CsvSource({"--max-length, 24, --max-length was 48 and is now 24", "--limit, 20, limit was 30 and is now 20",
        "--lr, 1e-3, lr was 0.005 and is now 0.001",
        "--eval-pairs, 3, --eval-pairs was 2 and is now 3", "-r, 5, r was 4 and is now 5",
        "--schedule, linear, schedule was 'cosine' and is now 'linear'"})
    void anotherValueIsRefusedByName(String flag, String value, String sentence) {
        Answer answer = resume(flag, value);
        assertThat(answer.exit).as(answer.error).isEqualTo(2);
        assertThat(answer.error).contains("cannot resume", sentence);
    }

    private record Answer(int exit, String error) {
    }

    /** Runs the same command with other values, in this process: it must be refused before its first step. */
    private static Answer resume(String... changes) {
        List<String> arguments = new ArrayList<>(training.arguments(out));
        for (int i = 0; i < changes.length; i += 2) {
            int at = arguments.indexOf(changes[i]);
            if (at < 0) {
                arguments.addAll(List.of(changes[i], changes[i + 1]));
            } else {
                arguments.set(at + 1, changes[i + 1]);
            }
        }
        arguments.add("--resume");
        PrintStream before = System.err;
        ByteArrayOutputStream error = new ByteArrayOutputStream();
        System.setErr(new PrintStream(error, true, StandardCharsets.UTF_8));
        try {
            return new Answer(Main.run(arguments.toArray(String[]::new)), error.toString(StandardCharsets.UTF_8));
        } finally {
            System.setErr(before);
        }
    }
}
