package io.sails4j.cli;

import io.sails4j.bench.BenchListener;
import io.sails4j.bench.BenchResult;
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
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(name = "bench",
    description = "Time operations, layers, optimizer steps, decoding, SAEs, candidates of attacks and requests of many in the models'"
        + " shapes, each beside what a large copy and a large matrix product reach on this device in the same run.")
final class BenchCommand implements Callable<Integer> {
    private static final String ALL = "all";

    @Mixin
    private CommonOptions common;

    @Parameters(arity = "0..*", paramLabel = "GROUP",
        description = "kernels, layer, step, decode, sae, attack, serve, monitor or all (default: all)")
    private List<String> groups = List.of(ALL);

    @Option(names = "--quick", description = "tiny shapes, for CPUs and the emulator: seconds, and numbers that say nothing about speed")
    private boolean quick;

    @Option(names = "--models", split = ",", paramLabel = "2b|9b,…", description = "the models whose shapes are timed (default: both)")
    private List<String> models = List.of("2b", "9b");

    @Option(names = "--layers", defaultValue = "0", paramLabel = "N",
        description = "layers of the models in steps and decoding (default: all)")
    private int layers;

    @Option(names = "--tokens", defaultValue = "0", paramLabel = "N", description = "tokens of a batch (default: 4096)")
    private int tokens;

    @Option(names = "--length", split = ",", paramLabel = "N,…", description = "tokens of a training sequence (default: 2048,4096)")
    private List<Integer> lengths = List.of();

    @Option(names = "--vocabulary", defaultValue = "0", paramLabel = "N", description = "of the models (default: their own)")
    private int vocabulary;

    @Option(names = "--steps", defaultValue = "3", paramLabel = "N",
        description = "timed optimizer steps, of which the best counts (default: ${DEFAULT-VALUE})")
    private int steps;

    @Option(names = "--out", paramLabel = "FILE", description = "also write a Markdown table with device, driver, date and commit")
    private @Nullable Path out;

    @Override
    public Integer call() {
        if (layers < 0 || steps < 1 || tokens < 0 || vocabulary < 0 || lengths.stream().anyMatch(n -> n < 2)) {
            throw common
                .wrong("--layers, --tokens and --vocabulary must be 0 (the default) or more, --steps 1 or more, --length 2 or more");
        }
        List<String> wanted = wantedGroups();
        BenchSize size = size();
        DType dtype = common.dtype() == null ? DType.BF16 : common.dtype();
        BenchReport report = newReport(size);
        report.facts().forEach(common::message);
        new Benchmarks(common.engineOptions(), size, dtype, layers, steps).run(wanted, report.ceilings(), new BenchListener() {
            @Override
            public void measured(BenchResult line) {
                common.message(report.add(line));
                write(report);
            }

            @Override
            public void tooLarge(String sentence) {
                common.message(report.addTooLarge(sentence));
                write(report);
            }
        });
        common.print(report.json(), report.table());
        return 0;
    }

    /** After every line: a run that is stopped leaves what it has measured. */
    private void write(BenchReport report) {
        if (out != null) {
            AtomicFiles.writeString(out, report.markdown());
        }
    }

    private BenchReport newReport(BenchSize size) {
        try (Engine engine = common.openEngine()) {
            if (!quick && engine.backend() != Backend.CUDA) {
                common.message("these shapes are a GPU's; --quick takes seconds here");
            }
            return new BenchReport(engine.device().describe(), BuildInfo.read(), Instant.now(), ceilings(engine, size));
        }
    }

    /** On a card beside cuBLASLt, unless the options have decided who multiplies. */
    private Ceilings ceilings(Engine engine, BenchSize size) {
        EngineOptions options = common.engineOptions();
        if (engine.backend() != Backend.CUDA || options.deviceOptions().contains("matmul=")) {
            return Ceilings.measure(engine, size);
        }
        String more = options.deviceOptions().isEmpty() ? "matmul=cublaslt" : options.deviceOptions() + ",matmul=cublaslt";
        return Ceilings.measure(engine, new EngineOptions("cuda", options.threads(), more), size);
    }

    private BenchSize size() {
        BenchSize size = quick ? BenchSize.quick() : BenchSize.full(models.stream().map(this::model).toList());
        size = size.withBatches(tokens == 0 ? size.tokens() : tokens, lengths.isEmpty() ? size.stepLengths() : lengths);
        return vocabulary == 0 ? size : size.withVocabulary(vocabulary);
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
