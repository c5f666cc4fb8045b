package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.model.ModelConfig;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.train.MatmulPeak;
import io.sails4j.train.Recompute;
import io.sails4j.train.StepBenchmark;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "bench", description = "Time optimizer steps in Gemma-2-2B's widths beside a large matrix product on this machine.")
final class BenchCommand implements Callable<Integer> {
    private static final int VOCABULARY = 32_000;

    @Mixin
    private CommonOptions common;

    @Option(names = "--layers", defaultValue = "2", paramLabel = "N", description = "layers of the model (default: ${DEFAULT-VALUE})")
    private int layers;

    @Option(names = "--sequences", defaultValue = "2", paramLabel = "N", description = "sequences of a step (default: ${DEFAULT-VALUE})")
    private int sequences;

    @Option(names = "--length", defaultValue = "256", paramLabel = "N", description = "tokens of a sequence (default: ${DEFAULT-VALUE})")
    private int length;

    @Option(names = "--steps", defaultValue = "3", paramLabel = "N", description = "timed steps, of which the best counts (default: ${DEFAULT-VALUE})")
    private int steps;

    @Override
    public Integer call() {
        if (layers < 1 || sequences < 1 || length < 2 || steps < 1) {
            throw common.wrong("--layers, --sequences and --steps must be 1 or more, --length 2 or more");
        }
        DType dtype = common.dtype() == null ? DType.BF16 : common.dtype();
        ModelConfig config = ModelConfig.gemma2(VOCABULARY, 2304, layers, 8, 4, 256, 9216, 4096, 256, 50, 30, 1e-6, 10_000, 8192,
            ModelConfig.alternating(layers), dtype, 2, List.of(1), 0);
        Table table = Table.withHeader("training step", "tokens/s", "GFLOP/s", "of the matmul", "planned", "peak so far");
        ObjectNode json = CommonOptions.object();
        try (Engine engine = common.openEngine()) {
            common.message(String.format(Locale.ROOT, "%s; %d layers of Gemma-2-2B's widths, vocabulary %d, %d sequences of %d, %s", engine.device().describe(), layers,
                VOCABULARY, sequences, length, dtype));
            StepBenchmark benchmark = new StepBenchmark(engine, config, dtype, sequences, length);
            MatmulPeak measured = MatmulPeak.measure(engine, dtype);
            double peak = measured.flopsPerSecond();
            json.put("device", engine.device().describe()).put("matmul_flops_per_s", peak).put("matmul", measured.source());
            table.row("(" + measured.source() + ")", "", String.format(Locale.ROOT, "%,.0f", peak * 1e-9), "100 %", "", "");
            for (boolean full : new boolean[] {false, true}) {
                for (Recompute recompute : List.of(Recompute.off(), Recompute.selective(), Recompute.full())) {
                    String name = (full ? "full" : "lora r 16") + switch (recompute.mode()) {
                        case OFF -> "";
                        case SELECTIVE -> ", selectively recomputed";
                        default -> ", recomputed";
                    };
                    StepBenchmark.Result r = benchmark.run(full, recompute, steps);
                    table.row(name, String.format(Locale.ROOT, "%,.1f", r.tokensPerSecond()), String.format(Locale.ROOT, "%,.0f", r.flopsPerSecond() * 1e-9),
                        String.format(Locale.ROOT, "%.0f %%", 100 * r.flopsPerSecond() / peak), mib(r.plannedBytes()), mib(r.peakBytes()));
                    json.putObject(name).put("tokens_per_s", r.tokensPerSecond()).put("flops_per_s", r.flopsPerSecond())
                        .put("planned_bytes", r.plannedBytes()).put("peak_bytes_so_far", r.peakBytes());
                }
            }
        }
        common.print(json, table);
        return 0;
    }

    private static String mib(long bytes) {
        return String.format(Locale.ROOT, "%,d MiB", bytes >> 20);
    }
}
