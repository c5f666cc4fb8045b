package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.bench.BenchSize;
import io.sails4j.bench.Benchmarks;
import io.sails4j.bench.Ceilings;
import io.sails4j.files.AtomicFiles;
import io.sails4j.ops.Engine;
import io.sails4j.ops.EngineOptions;
import io.sails4j.tensor.Backend;
import io.sails4j.tensor.DType;
import java.nio.file.Path;
import java.time.Instant;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "bench",
    description = "Time operations, layers, optimizer steps, decoding, SAEs, candidates of attacks and requests of many in the models'"
        + " shapes, each beside what reading, a large copy and a large matrix product reach on this device in the same run."
        + " Ctrl-C ends the run and prints the rows that were measured.")
final class BenchCommand implements Callable<Integer> {
    private static final String ALL = "all";

    @Mixin
    private CommonOptions common;

    @Parameters(arity = "0..*", paramLabel = "GROUP",
        description = "kernels, layer, step, decode, sae, attack, serve, monitor or all (default: all)")
    private List<String> groups = List.of(ALL);

    @Option(names = "--size", defaultValue = "auto", paramLabel = "auto|gpu|cpu|tiny",
        description = "how large the shapes are: a GPU's, a CPU's (all groups in about two minutes on two cores) or tiny ones, whose"
            + " numbers say nothing about speed (default: the backend's; the emulator has a GPU's)")
    private String sizeName;

    @Option(names = "--quick", description = "the same as --size tiny")
    private boolean quick;

    @Option(names = "--models", split = ",", paramLabel = "2b|9b,…",
        description = "the models whose shapes are timed (default: both; of a CPU's size 2b)")
    private List<String> models = List.of();

    @Option(names = "--layers", paramLabel = "N",
        description = "layers of the models, 0 for all (default: all; of a CPU's size 2)")
    private @Nullable Integer layers;

    @Option(names = "--tokens", defaultValue = "0", paramLabel = "N",
        description = "tokens of a batch (default: 4096; of a CPU's size 256)")
    private int tokens;

    @Option(names = "--length", split = ",", paramLabel = "N,…",
        description = "tokens of a training sequence (default: 2048,4096; of a CPU's size 256)")
    private List<Integer> lengths = List.of();

    @Option(names = "--vocabulary", defaultValue = "0", paramLabel = "N",
        description = "of the models (default: their own; of a CPU's size 16384)")
    private int vocabulary;

    @Option(names = "--steps", defaultValue = "3", paramLabel = "N",
        description = "timed optimizer steps, of which the best counts (default: ${DEFAULT-VALUE})")
    private int steps;

    @Option(names = "--out", paramLabel = "FILE", description = "also write a Markdown table with device, driver, date and commit")
    private @Nullable Path out;

    @Option(names = "--rounds", defaultValue = "1", paramLabel = "N",
        description = "measure all rows so many times, one round after the other; the median of the rounds counts (default:"
            + " ${DEFAULT-VALUE}; three or more for --against)")
    private int rounds;

    @Option(names = "--against", paramLabel = "FILE",
        description = "compare row by row with another run, of which FILE holds what --json printed: ratios of times with intervals from"
            + " the rounds of both")
    private @Nullable Path against;

    @Override
    public Integer call() {
        if ((layers != null && layers < 0) || steps < 1 || rounds < 1 || tokens < 0 || vocabulary < 0
            || lengths.stream().anyMatch(n -> n < 2)) {
            throw common
                .wrong(
                    "--layers, --tokens and --vocabulary must be 0 (the default) or more, --steps and --rounds 1 or more,"
                        + " --length 2 or more");
        }
        if (out != null) {
            AtomicFiles.requireWritableFile(out);
        }
        List<String> wanted = wantedGroups();
        String named = sizeName();
        models.forEach(this::model);
        BenchFile other = against == null ? null : BenchFile.read(against);
        try (Engine engine = common.openEngine()) {
            String kind = named.equals("auto") ? engine.backend() == Backend.CPU ? "cpu" : "gpu" : named;
            if (kind.equals("gpu") && engine.backend() != Backend.CUDA) {
                common.message("these shapes are a GPU's; --size tiny takes seconds here");
            }
            measure(wanted, kind, newReport(engine, kind, other), other, engine);
        }
        return 0;
    }

    private void measure(List<String> wanted, String kind, BenchReport report, @Nullable BenchFile other, Engine engine) {
        report.facts().forEach(common::message);
        DType dtype = common.dtype() == null ? DType.BF16 : common.dtype();
        Benchmarks benchmarks = new Benchmarks(common.engineOptions(), size(kind), dtype, layers(kind), steps);
        BenchRun run = new BenchRun(report, BenchRun.progress(common), rounds, out, unfinished -> print(unfinished, other));
        try (run) {
            for (int round = 0; round < rounds; round++) {
                benchmarks.run(wanted, report.ceilings(), run);
            }
        }
        if (!run.interrupted()) {
            if (engine.backend() == Backend.CPU) {
                report.measuredAgain(ceilings(engine, size(kind)));
                report.ceilingFacts().forEach(common::message);
            }
            print(report, other);
        }
    }

    /** The rows, and below them those of another run. */
    private void print(BenchReport report, @Nullable BenchFile other) {
        ObjectNode json = report.json();
        BenchComparison comparison = other == null ? null : new BenchComparison(other, report);
        if (out != null) {
            AtomicFiles.writeString(out, report.markdown() + (comparison == null ? "" : comparison.markdown()));
        }
        if (comparison == null) {
            common.print(json, report.table());
            return;
        }
        comparison.writeInto(json.putObject("against"));
        common.print(json, report.table());
        comparison.facts().forEach(common::message);
        if (!common.json()) {
            common.printText("\n" + comparison.table().render());
        }
    }

    private BenchReport newReport(Engine engine, String kind, @Nullable BenchFile other) {
        BenchSize size = size(kind);
        String layersNamed = layers(kind) == 0 ? "all" : String.valueOf(layers(kind));
        String described = size.describe() + "; " + layersNamed + " layers";
        if (other != null) {
            other.requireComparable(engine.device().describe(), described);
        }
        return new BenchReport(engine.device().describe(), BuildInfo.read(), Instant.now(), described, ceilings(engine, size),
            engine.backend() == Backend.CPU);
    }

    private String sizeName() {
        if (!sizeName.matches("auto|gpu|cpu|tiny")) {
            throw common.wrong("--size is '" + sizeName + "'; expected auto, gpu, cpu or tiny");
        }
        if (quick && !sizeName.matches("auto|tiny")) {
            throw common.wrong("--quick is the same as --size tiny, and --size is '" + sizeName + "'; give one of them");
        }
        return quick ? "tiny" : sizeName;
    }

    /** On a card beside cuBLASLt, on a CPU beside oneDNN; on a card the options may have decided who multiplies. */
    private Ceilings ceilings(Engine engine, BenchSize size) {
        EngineOptions options = common.engineOptions();
        String given = options.deviceOptions();
        return switch (engine.backend()) {
            case CPU -> {
                String others = Arrays.stream(given.split(",")).filter(option -> !option.isEmpty() && !option.startsWith("matmul="))
                    .map(option -> option + ",").collect(Collectors.joining());
                try (Engine own = Engine.open(new EngineOptions("cpu", options.threads(), others + "matmul=own"))) {
                    yield Ceilings.measure(own, new EngineOptions("cpu", options.threads(), others + "matmul=onednn"), "oneDNN", size);
                }
            }
            case CUDA -> given.contains("matmul=") ? Ceilings.measure(engine, size)
                : Ceilings.measure(engine, new EngineOptions("cuda", options.threads(), (given.isEmpty() ? "" : given + ",")
                    + "matmul=cublaslt"), "cuBLASLt", size);
            case EMULATOR -> Ceilings.measure(engine, size);
        };
    }

    private BenchSize size(String kind) {
        BenchSize size = switch (kind) {
            case "tiny" -> BenchSize.quick();
            case "cpu" -> BenchSize.cpu(models(List.of("2b")));
            default -> BenchSize.full(models(List.of("2b", "9b")));
        };
        size = size.withBatches(tokens == 0 ? size.tokens() : tokens, lengths.isEmpty() ? size.steps().lengths() : lengths);
        return vocabulary == 0 ? size : size.withVocabulary(vocabulary);
    }

    private int layers(String kind) {
        return layers != null ? layers : kind.equals("cpu") ? BenchSize.CPU_LAYERS : 0;
    }

    private List<BenchSize.Model> models(List<String> unlessGiven) {
        return (models.isEmpty() ? unlessGiven : models).stream().map(this::model).toList();
    }

    private List<String> wantedGroups() {
        for (String group : groups) {
            if (!group.equals(ALL) && !Benchmarks.GROUPS.contains(group)) {
                throw common.wrong("there is no group '" + group + "'; expected " + String.join(", ", Benchmarks.GROUPS) + " or " + ALL);
            }
        }
        return groups.contains(ALL) ? Benchmarks.GROUPS : Benchmarks.GROUPS.stream().filter(groups::contains).toList();
    }

    private BenchSize.Model model(String name) {
        return BenchSize.model(name.toLowerCase(Locale.ROOT))
            .orElseThrow(() -> common.wrong("--models names '" + name + "'; expected 2b or 9b"));
    }
}
