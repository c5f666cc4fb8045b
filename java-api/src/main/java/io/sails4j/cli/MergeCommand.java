package io.sails4j.cli;

import io.sails4j.lora.LoraMerge;
import io.sails4j.ops.Engine;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "merge", description = "Fold adapters into a model's weights, or out of them (--adapter DIR=-1), and write an ordinary checkpoint.")
final class MergeCommand implements Callable<Integer> {
    @Mixin
    private CommonOptions common;

    @Mixin
    private ModelArguments arguments;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "checkpoint directory to write")
    private Path out;

    @Override
    public Integer call() {
        if (arguments.adapters().isEmpty()) {
            throw common.wrong("nothing to merge: name at least one --adapter");
        }
        try (Engine engine = common.openEngine()) {
            LoraMerge.merge(arguments.model(), arguments.adapters(), out, engine);
        }
        common.print(CommonOptions.object().put("out", out.toString()), Table.ofPairs().row("written", out));
        return 0;
    }
}
