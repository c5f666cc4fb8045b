package io.sails4j.cli;

import io.sails4j.monitor.MonitorFile;
import io.sails4j.monitor.MonitorSpec;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedMap;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** A monitor that looks on while prompts are answered, and the SAEs that it reads. */
final class ObserverArguments {
    @Option(names = "--monitor", paramLabel = "DIR|FILE",
        description = "count the prompts and answers of which this monitor raises an alarm (see sails monitor calibrate); it changes no"
            + " answer; needs the SAEs that it was made with")
    private @Nullable Path file;

    @Option(names = "--sae", paramLabel = "LAYER=PATH",
        description = "SAE of the residual stream after LAYER, for --monitor; repeat for more layers")
    private List<String> saes = new ArrayList<>();

    /**
     * The monitor's rules, null where there is none.
     *
     * @param answers whether there is something to answer
     */
    @Nullable
    MonitorSpec spec(CommonOptions common, boolean answers) {
        if ((file == null) != saes.isEmpty()) {
            throw common.wrong(file == null ? "--sae is given and nothing reads it; add --monitor FILE"
                : "--monitor needs the SAEs that it was made with; add --sae LAYER=PATH");
        }
        if (file != null && !answers) {
            throw common.wrong("--monitor looks on while prompts are answered, and there are none; give --prompts");
        }
        return file == null ? null : MonitorFile.read(file);
    }

    SortedMap<Integer, Path> saes(CommonOptions common) {
        return SaeArguments.parse(saes, common);
    }
}
