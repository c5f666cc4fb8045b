package io.sails4j.cli;

import io.sails4j.lora.LoraMerge;
import io.sails4j.lora.MergeListener;
import io.sails4j.ops.Engine;
import java.nio.file.Path;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

@Command(name = "merge", description = {
    "Fold adapters into a model's weights, or out of them (--adapter DIR=-1), and write an ordinary checkpoint.",
    "The shards, their tensors and metadata are those of the original; each tensor keeps its type, or all get the one of"
        + " --dtype, rounded to "
        + "nearest even. Memory for a few rows of one tensor suffices."})
final class MergeCommand implements Callable<Integer> {
    private static final long MIB = 1 << 20;

    @Mixin
    private CommonOptions common;

    @Mixin
    private ModelArguments arguments;

    @Option(names = "--out", required = true, paramLabel = "DIR", description = "checkpoint directory to write")
    private Path out;

    @Override
    public Integer call() {
        long peak;
        if (arguments.adapters().isEmpty()) {
            throw common.wrong("nothing to merge: name at least one --adapter");
        }
        try (Engine engine = common.openEngine(); ProgressBar bar = common.progress("merged MiB")) {
            LoraMerge.merge(arguments.model(), arguments.adapters(), out, common.dtype(), engine, new MergeListener() {
                @Override
                public void note(String sentence) {
                    common.message(sentence);
                }

                @Override
                public void progress(long done, long total) {
                    bar.update(done / MIB, total / MIB, 0);
                }
            });
            peak = engine.device().peakBytes();
        }
        common.print(CommonOptions.object().put("out", out.toString()).put("peak_device_bytes", peak), Table.ofPairs().row("written", out));
        return 0;
    }
}
