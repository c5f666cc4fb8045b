package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.files.JsonFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** The first command of a newcomer, to its end: the aligned model refuses more than the one before it. */
class DemoCommandTest {
    @TempDir
    private Path directory;

    @Test
    void theAlignedModelRefusesMore() {
        Path out = directory.resolve("demo");
        CommandRun run = CommandRun.of("demo", "--backend", "cpu", "--json", "--out", out);
        assertThat(run.code()).as(run.err()).isZero();
        JsonNode json = JsonFiles.parse(run.out(), "the demo's output");
        assertThat(json.get("share_inside").asDouble()).isGreaterThan(0.999999);
        assertThat(json.get("loss_after").asDouble()).isLessThan(json.get("loss_before").asDouble());
        JsonNode before = json.get("safety_rate_before");
        JsonNode after = json.get("safety_rate_after");
        assertThat(after.get("n").asInt()).isEqualTo(36).isEqualTo(before.get("n").asInt());
        assertThat(after.get("value").asDouble()).isGreaterThan(before.get("value").asDouble())
            .isBetween(after.get("low").asDouble(), after.get("high").asDouble());
        for (String when : List.of("before", "after")) {
            JsonNode refused = json.get("over_refusal_rate_" + when);
            assertThat(refused.get("n").asInt()).isEqualTo(36);
            assertThat(refused.get("value").asDouble()).isBetween(refused.get("low").asDouble(), refused.get("high").asDouble());
        }
        assertThat(json.get("report").asText()).isEqualTo(out.resolve("report.html").toString());
        assertThat(out.resolve("report.html")).content().contains("Harmless requests refused", "Loss by step", "other people", "Spectrum");
        assertThat(json.get("strongest_features")).hasSize(3).allSatisfy(f -> assertThat(f.get("says").asText()).contains("promotes '",
            "fires on"));
        assertThat(out.resolve("evaluation/eval.json")).isRegularFile();
        assertThat(Files.exists(out.resolve("evaluation.partial"))).isFalse();
    }
}
