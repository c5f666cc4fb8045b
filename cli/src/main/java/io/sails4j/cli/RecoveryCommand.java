package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.files.AtomicFiles;
import io.sails4j.ops.Engine;
import io.sails4j.recovery.Identification;
import io.sails4j.recovery.Recovery;
import io.sails4j.recovery.RecoveryOptions;
import io.sails4j.recovery.RecoveryPoint;
import io.sails4j.recovery.RecoveryResult;
import io.sails4j.stats.Interval;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "recovery",
    description = "How well a planted subspace is found again, from raw activations and from features of a trained SAE, against"
        + " polysemanticity, dimension and number of samples.")
final class RecoveryCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Option(names = "--quick", description = "fewer points and repetitions: seconds, wider intervals")
    private boolean quick;

    @Option(names = "--out", required = true, paramLabel = "DIR",
        description = "directory to write: recovery.csv, recovery.json, recovery.svg")
    private Path out;

    @Override
    public Integer call() {
        AtomicFiles.requireFresh(out);
        try (Engine engine = common.openEngine(); ProgressBar bar = common.progress("recovery")) {
            RecoveryResult result = new Recovery(engine, quick ? RecoveryOptions.quick() : RecoveryOptions.defaults(), common.seed()).run(
                out,
                bar);
            ObjectNode json = CommonOptions.object().put("out", result.out().toString()).put("floor", result.floor());
            json.set("errors", result.errors());
            common.print(json, table(result));
            common
                .message(String.format(Locale.ROOT, "floor of one direction: %.3f; mean errors with 95 %% intervals over repetitions in %s",
                    result.floor(), out));
        }
        return 0;
    }

    private static Table table(RecoveryResult result) {
        List<String> header = new ArrayList<>(List.of("d", "features", "samples"));
        for (Identification way : Identification.values()) {
            header.add(way.title());
        }
        Table table = Table.withHeader(header.toArray(String[]::new));
        for (RecoveryPoint point : result.points()) {
            List<Object> cells = new ArrayList<>(List.of(point.dimension(), point.features(), point.samples()));
            for (Identification way : Identification.values()) {
                Interval mean = result.mean(way, point);
                cells.add(String.format(Locale.ROOT, "%.2f (%.2f to %.2f)", mean.value(), mean.low(), mean.high()));
            }
            table.row(cells.toArray());
        }
        return table;
    }
}
