package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code sails report} as a user runs it; what stands in reports is tested in the library. */
class ReportCommandTest {
    @TempDir
    private Path directory;

    @Test
    void wrongInputIsASentence() throws IOException {
        Path out = directory.resolve("out");
        CommandRun.of("report", directory, "--out", out).requireWrong("holds no results that a report can show", "eval.json",
            "attack.json", "sails_run.json", "explain.json");
        CommandRun.of("report", directory.resolve("gone"), "--out", out).requireWrong("gone does not exist");
        CommandRun.of("report", "--out", out).requireWrong("DIR");
        Path file = Files.writeString(directory.resolve("eval.json"), "{\"answers\": []}");
        CommandRun.of("report", file, "--out", out).requireWrong("eval.json is no directory");
        assertThat(out).doesNotExist();
        CommandRun.of("report", directory, "--out", directory).requireWrong("exists already; choose another output directory");
        CommandRun run = CommandRun.of("report", directory, directory, "--json", "--out", out);
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.out()).contains("\"parts\":[\"evaluation\",\"evaluation\"]");
        assertThat(out.resolve("report.html")).isRegularFile();
        Path foreign = Files.createDirectory(directory.resolve("foreign"));
        Files.writeString(foreign.resolve("eval.json"), "{}");
        CommandRun.of("report", foreign, "--out", directory.resolve("other")).requireWrong("is no evaluation that sails eval wrote");
        CommandRun.of("report", directory, "--out", out).requireWrong("out exists already");
    }
}
