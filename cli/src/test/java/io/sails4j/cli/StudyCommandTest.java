package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.data.Progress;
import io.sails4j.demo.world.World;
import io.sails4j.demo.world.WorldOptions;
import io.sails4j.files.AtomicFiles;
import io.sails4j.files.FileHash;
import io.sails4j.files.JsonFiles;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.persistence.OutputClaim;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A study of a tiny world: it chooses, tests, counts, goes on where it was, and is not begun twice. */
class StudyCommandTest {
    @TempDir
    private static Path directory;

    @BeforeAll
    static void world() throws IOException {
        try (Engine engine = Engine.open(new EngineOptions("cpu", 1, ""))) {
            new World(new WorldOptions(new WorldOptions.Shape(32, 2, 16, 48), new WorldOptions.Training(300, 2, 400), 16, 6,
                new WorldOptions.Plan(true, List.of("sft"), List.of(1e-3), List.of(16), 3, 1)), 3).make(engine, directory.resolve("world"),
                    Progress.none(), Progress.none());
        }
        Files.writeString(directory.resolve("world/tiny.yaml"), """
            model: model
            data: pairs.jsonl
            right_answers: truth.jsonl
            prompts: {train: train.csv, validation: validation.csv, test: {seen: seen.csv, plain: plain.csv}}
            baseline: lora
            arms: {lora: {method: lora}, dora: {method: lora, use_dora: true}}
            objectives: [sft]
            learning_rates: [0.001, 0.01]
            pairs: [16]
            seeds: [0, 1, 2]
            align: {r: 2, batch_tokens: 4000, eval_pairs: 4}
            eval: {max_new_tokens: 4}
            attacks:
              prefill: {prompts: seen.csv, limit: 2, target: Sure.}
              gcg: {prompts: seen.csv, limit: 1, seeds: 1, steps: 1, candidates: 2, top_tokens: 4, suffix: "! !", target: Sure.}
            """);
    }

    private static CommandRun study(String... more) {
        List<String> args = new ArrayList<>(List.of("study", directory.resolve("world/tiny.yaml").toString(), "--backend", "cpu",
            "--threads", "1", "--json"));
        args.addAll(List.of(more));
        return CommandRun.of(args.toArray());
    }

    @Test
    void aStudyIsDoneOnceAndGoesOnWhereItWas() throws IOException {
        Path out = directory.resolve("out");
        CommandRun first = study("--out", out.toString());
        assertThat(first.code()).as(first.err()).isZero();
        JsonNode study = JsonFiles.read(out.resolve("study.json"));
        assertThat(study.get("rows")).hasSize(3);
        assertThat(study.at("/rows/2/measures/seen.harmful_refused/difference/high").isNumber()).isTrue();
        assertThat(study.at("/rows/0/measures").has("plain.right_answers")).isTrue();
        assertThat(JsonFiles.read(out.resolve("choices.json")).get("learning_rates")).hasSize(2);
        assertThat(out.resolve("report.html")).exists();

        assertThat(study.at("/rows/1/measures").has("prefill.harmful_refused")).isTrue();
        assertThat(study.at("/rows/1/measures/gcg.harmful_refused/value").isNumber()).as("one seed has no interval").isTrue();
        assertThat(study.at("/rows/1/measures/gcg.harmful_refused/low").isNull()).isTrue();
        assertThat(out.resolve("study.md")).content().contains("| lora | sft | 16 |");
        assertThat(first.err()).doesNotContain("memory plan");

        assertThat(study("--out", out.toString()).err()).contains("exists");
        String csv = FileHash.sha256(out.resolve("study.csv"));
        Path lost = directory.resolve("out/runs/test.dora.sft.pairs-16.lr-" + study.at("/rows/2/lr").doubleValue() + ".seed-1");
        Files.delete(lost.resolve("result.json"));
        AtomicFiles.deleteTree(lost.resolve("evaluation"));
        CommandRun again = study("--out", out.toString(), "--resume");
        assertThat(again.code()).as(again.err()).isZero();
        assertThat(FileHash.sha256(out.resolve("study.csv"))).isEqualTo(csv);

        Path two = directory.resolve("two");
        CommandRun side = study("--out", two.toString(), "--jobs", "2");
        assertThat(side.code()).as(side.err()).isZero();
        assertThat(FileHash.sha256(two.resolve("study.csv"))).as("tasks side by side come to the same").isEqualTo(csv);
        try (OutputClaim _ = OutputClaim.of(two.resolve("running"))) {
            assertThat(study("--out", two.toString(), "--resume").err()).contains("is written by another run");
        }

        Files.writeString(directory.resolve("world/tiny.yaml"), Files.readString(directory.resolve("world/tiny.yaml")) + "# changed\n");
        assertThat(study("--out", out.toString(), "--resume").err()).contains("was begun with another study");
    }
}
