package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.demo.world.World;
import io.sails4j.demo.world.WorldOptions;
import io.sails4j.files.AtomicFiles;
import io.sails4j.ops.Engine;
import java.nio.file.Path;
import java.util.Locale;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "world",
    description = "Make a small world whose truth is known: a language in which harm depends on combinations, a base model that complies"
        + " with everything, preference data, and prompts to test on.")
final class WorldCommand implements Callable<Integer> {
    /** How much is made. */
    enum Size {
        QUICK, FULL
    }

    @Mixin
    private CommonOptions common;

    @Option(names = "--size", defaultValue = "quick", paramLabel = "NAME",
        description = "quick (default): minutes on two cores; full: a larger model, longer training, four times the prompts")
    private Size size;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "directory to write")
    private Path out;

    @Override
    public Integer call() {
        AtomicFiles.requireFresh(out);
        World world = new World(size == Size.FULL ? WorldOptions.full() : WorldOptions.quick(), common.seed());
        try (Engine engine = common.openEngine(); ProgressBar pretraining = common.progress("pretraining");
             ProgressBar examination = common.progress("examining")) {
            World.Made made = world.make(engine, out, pretraining, examination);
            ObjectNode json = CommonOptions.object().put("out", out.toString()).put("parameters", made.parameters());
            Table table = Table.ofPairs().row("parameters", String.format(Locale.ROOT, "%,d", made.parameters()));
            ObjectNode right = json.putObject("right_answers");
            made.right().forEach((name, interval) -> {
                interval.writeInto(right.putObject(name));
                table.row("right answers, " + name, String.format(Locale.ROOT, "%.1f %% (%.1f to %.1f)", 100 * interval.value(),
                    100 * interval.low(), 100 * interval.high()));
            });
            common.print(json, table.row("written", out));
        }
        return 0;
    }
}
