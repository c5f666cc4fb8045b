package io.sails4j.cli;

import io.sails4j.InputException;
import io.sails4j.align.AlignOptions;
import io.sails4j.ops.MatmulPeak;
import io.sails4j.train.RecomputeOption;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

/** How an alignment run trains; the options themselves are those of {@link AlignOptions}. */
final class TrainingArguments {
    @Spec(Spec.Target.MIXEE)
    private CommandSpec command;

    @Option(names = "--memory-gib", defaultValue = "0", paramLabel = "G", description = "memory that a step may take, for --recompute auto")
    private double memoryGib;

    @Option(names = "--peak-tflops", defaultValue = "0", paramLabel = "T",
        description = "what the device can do at most, for the model-FLOP utilisation (default: measured by a large product"
            + " before the first step)")
    private double peakTflops;

    /** What the device can do at most; null = to be measured. */
    @Nullable
    MatmulPeak peak() {
        if (!(peakTflops >= 0) || Double.isInfinite(peakTflops)) {
            throw new InputException("--peak-tflops is " + peakTflops + ", expected a positive number");
        }
        return peakTflops == 0 ? null : MatmulPeak.given(peakTflops * 1e12);
    }

    private RecomputeOption recompute(String asked) {
        if (memoryGib != 0 && !asked.equals("auto")) {
            throw new InputException("--memory-gib is used by --recompute auto alone, and --recompute is '" + asked + "'");
        }
        return switch (asked) {
            case "off" -> RecomputeOption.off();
            case "selective" -> RecomputeOption.selective();
            case "full" -> RecomputeOption.full();
            case "auto" -> {
                if (!(memoryGib > 0)) {
                    throw new InputException("--recompute auto needs the memory that a step may take: add --memory-gib G");
                }
                yield RecomputeOption.within((long) (memoryGib * (1L << 30)));
            }
            default -> {
                if (!asked.matches("[0-9]{1,6}")) {
                    throw new InputException("--recompute is '" + asked + "', expected off, selective, full, auto or a number of layers");
                }
                yield RecomputeOption.lowest(Integer.parseInt(asked));
            }
        };
    }

    AlignOptions options(long seed) {
        Map<String, Object> given = OptionFlags.given(command, AlignOptions.defaults());
        given.put("seed", seed);
        given.put("recompute", recompute((String) given.getOrDefault("recompute", "off")));
        return AlignOptions.given(given);
    }
}
