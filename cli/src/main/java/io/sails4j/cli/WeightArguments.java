package io.sails4j.cli;

import io.sails4j.model.ModelOptions;
import io.sails4j.model.WeightFormat;
import java.util.Locale;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** How a model's weights are kept. */
final class WeightArguments {
    @Option(names = "--weights", paramLabel = "int8|int4",
        description = "quantize the weights when they are loaded: groups of 32 share a scale, 8.5 or 4.5 bits a weight (default: as the"
            + " checkpoint has them; `sails quantize` writes such a checkpoint, and better ones)")
    private @Nullable String weights;

    WeightFormat format(CommonOptions common) {
        return weights == null ? WeightFormat.CHECKPOINT : parse(weights, common);
    }

    /** How a model is loaded that is not trained itself. */
    ModelOptions model(CommonOptions common) {
        return ModelOptions.of(common.dtype()).withWeights(format(common));
    }

    static WeightFormat parse(String given, CommonOptions common) {
        return switch (given.toLowerCase(Locale.ROOT)) {
            case "int8" -> WeightFormat.INT8;
            case "int4" -> WeightFormat.INT4;
            default -> throw common.wrong("--weights is '" + given + "'; expected int8 or int4");
        };
    }
}
