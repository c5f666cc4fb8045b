package io.sails4j.cli;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.bench.Bandwidth;
import io.sails4j.bench.BenchResult;
import io.sails4j.bench.Ceilings;
import io.sails4j.bench.Times;
import io.sails4j.ops.MatmulPeak;
import io.sails4j.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** {@code sails bench}: its files, and a run beside another one. */
class BenchCommandTest {
    private static final ObjectMapper JSON = new ObjectMapper();

    @TempDir
    private Path directory;

    private static CommandRun bench(Object... more) {
        List<Object> words = new ArrayList<>(List.of("bench", "layer", "--backend", "cpu", "--size", "tiny", "--threads", "1"));
        words.addAll(List.of(more));
        return CommandRun.of(words.toArray());
    }

    private Path file(ObjectNode json) throws IOException {
        return Files.writeString(directory.resolve("other.json"), json.toString());
    }

    @Test
    void aRunBesideAnother() throws IOException {
        CommandRun first = bench("--json");
        assertThat(first.code()).as(first.err()).isZero();
        ObjectNode json = (ObjectNode) JSON.readTree(first.out());
        assertThat(json.path("lines")).hasSize(2).allSatisfy(line -> assertThat(line.path("samples").path(0)).hasSize(3));
        assertThat(json.path("read_bytes_per_s").asDouble()).isPositive();

        // The other build took a hundred times as long in one row, and has one that this build lacks.
        ObjectNode slow = (ObjectNode) json.path("lines").path(0);
        slow.put("seconds", slow.path("seconds").asDouble() * 100);
        slow.putArray("samples").addArray().add(slow.path("seconds").asDouble()).add(slow.path("seconds").asDouble() * 1.1)
            .add(slow.path("seconds").asDouble() * 1.2);
        ((ObjectNode) json.path("lines").path(1)).put("shape", "another");
        Path out = directory.resolve("table.md");
        CommandRun second = bench("--json", "--against", file(json), "--out", out);
        assertThat(second.code()).as(second.err()).isZero();
        JsonNode against = JSON.readTree(second.out()).path("against");
        assertThat(against.path("rows")).hasSize(1);
        assertThat(against.path("rows").path(0).path("differs").asBoolean()).as(against.toString()).isTrue();
        assertThat(against.path("rows").path(0).path("ratio").path("high").asDouble()).isLessThan(0.5);
        assertThat(against.path("only_there")).hasSize(1);
        assertThat(against.path("only_here")).hasSize(1);
        assertThat(second.err()).contains("1 faster and 0 slower beyond noise", "only in this run: layer forward", "only in other.json: ");
        assertThat(second.err()).contains("intervals of repetitions", "--rounds");
        assertThat(Files.readString(out)).contains("## Beside another run", "| faster |");

        json.put("device", "{\"backend\":\"cuda\"}");
        bench("--against", file(json)).requireWrong("other.json", "the backend cuda", "expected cpu");
        json.put("device", "{\"backend\":\"cpu\"}").put("size", "2B");
        bench("--against", file(json)).requireWrong("other.json", "other sizes (2B)", "tiny");
    }

    @Test
    void filesOfAnotherKindAreRefused() throws IOException {
        Path missing = directory.resolve("missing.json");
        bench("--against", missing).requireWrong("missing.json", "is no file");
        bench("--against", Files.writeString(directory.resolve("table.md"), "# sails bench\n")).requireWrong("table.md", "no JSON");
        bench("--against", file(JSON.createObjectNode().put("device", "x"))).requireWrong("format ''", BenchFile.FORMAT);
        ObjectNode json = JSON.createObjectNode().put("format", BenchFile.FORMAT).put("device", "x").put("size", "y").put("version", "1")
            .put("commit", "c");
        bench("--against", file(json)).requireWrong("lacks the text 'date'");
        json.put("date", "d").putArray("lines").addObject().put("group", "g").put("operation", "o").put("shape", "s").put("dtype", "F32")
            .put("seconds", 1.0);
        bench("--against", file(json)).requireWrong("'o, s'", "samples");
        bench("--out", directory).requireWrong("is a directory, expected the name of a file");
        bench("--rounds", "0").requireWrong("--rounds 1 or more");
        CommandRun.of("bench", "--size", "large").requireWrong("--size is 'large'");
        CommandRun.of("bench", "--size", "cpu", "--quick").requireWrong("--quick is the same as --size tiny");
    }

    /** A row that mostly reads is put beside reading, one that writes beside a copy, one with many products beside a product. */
    @Test
    void sharesNameTheirCeiling() {
        Ceilings start = new Ceilings(new Bandwidth(20e9, 40e9, "r"), Map.of(DType.F32, new MatmulPeak(100e9, "m")));
        Ceilings end = new Ceilings(new Bandwidth(10e9, 50e9, "R"), Map.of(DType.F32, new MatmulPeak(200e9, "M")));
        Ceilings both = start.orBetter(end);
        assertThat(both.bandwidth()).isEqualTo(new Bandwidth(20e9, 50e9, "R"));
        assertThat(both.share(row(0, 25e9, 1e9))).isEqualTo(new Ceilings.Share(0.5, "read"));
        assertThat(both.share(row(0, 10e9, 5e9))).isEqualTo(new Ceilings.Share(0.5, "copy"));
        assertThat(both.share(row(150e9, 10e9, 5e9))).isEqualTo(new Ceilings.Share(0.75, "matmul"));
        BenchReport report = new BenchReport("{}", new BuildInfo("1", "c"), Instant.EPOCH, "tiny", start, true);
        assertThat(report.add(row(50e9, 0, 0))).endsWith("50.0 GFLOP/s, 50 % matmul");
        report.measuredAgain(end);
        assertThat(report.table().render()).contains("25 % matmul");
        assertThat(report.facts()).anyMatch(fact -> fact.contains("after: copy 10.0 GB/s, read 50.0 GB/s, matmul F32 200 GFLOP/s"));
    }

    private static BenchResult row(double flops, double bytes, double written) {
        return new BenchResult("kernels", "o", "s", DType.F32, Times.median(1), flops, bytes, written, Map.of());
    }

    /** What a signal prints: the rows so far, and how many there would have been. */
    @Test
    void anInterruptedRunKeepsItsRows() {
        BenchReport report = new BenchReport("{}", new BuildInfo("1", "c"), Instant.EPOCH, "tiny",
            new Ceilings(new Bandwidth(20e9, 0, ""), Map.of()), true);
        List<String> said = new ArrayList<>();
        List<BenchReport> printed = new ArrayList<>();
        BenchRun.Progress progress = new BenchRun.Progress() {
            @Override
            public void say(String line) {
                said.add(line);
            }

            @Override
            public void replace(String line) {
                said.add("~" + line);
            }
        };
        Path out = directory.resolve("rows.md");
        try (BenchRun run = new BenchRun(report, progress, 2, out, printed::add)) {
            run.measuring("kernels, o, s", 0, 3);
            run.measured(row(0, 1e9, 0));
            run.interrupt();
            run.measured(row(0, 2e9, 0));
            assertThat(run.interrupted()).isTrue();
        }
        assertThat(said).startsWith("~[0/3 of round 1/2, 6 left] measuring kernels, o, s",
            "[1/3 of round 1/2] kernels o, s: 1.00 s, 1.00 GB/s, 5 % copy",
            "stopped after 1 of 6 rows");
        assertThat(printed).containsExactly(report);
        assertThat(report.json().path("lines")).hasSize(1);
        assertThat(report.json().path("not_measured").path(0).asText()).isEqualTo("stopped after 1 of 6 rows");
        assertThat(out).content().contains("- stopped after 1 of 6 rows", "| kernels | o | s |");
    }

    @Test
    void roundsAreMeasuredOneAfterTheOther() throws IOException {
        CommandRun run = bench("--json", "--rounds", "2");
        assertThat(run.code()).as(run.err()).isZero();
        assertThat(run.err()).contains("[2/2 of round 1/2] layer", "[1/2 of round 2/2] layer");
        assertThat(JSON.readTree(run.out()).path("lines")).hasSize(2).allSatisfy(line -> assertThat(line.path("samples")).hasSize(2));
    }
}
