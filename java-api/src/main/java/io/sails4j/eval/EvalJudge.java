package io.sails4j.eval;

import io.sails4j.files.FileHash;
import io.sails4j.judge.Judge;
import io.sails4j.judge.JudgeSpec;
import io.sails4j.ops.Engine;
import java.util.Map;
import java.util.function.Supplier;

/**
 * A judge, and what decides its judgements beside its name: an evaluation goes on only with the same.
 *
 * @param origin hashes and options by their names
 */
public record EvalJudge(Judge judge, Map<String, String> origin) {
    public EvalJudge {
        origin = Map.copyOf(origin);
    }

    /** A judge whose name says all. */
    public static EvalJudge of(Judge judge) {
        return new EvalJudge(judge, Map.of());
    }

    /**
     * Opens a judge; whoever opens it closes it.
     *
     * @param engine of judges that are a model in this process
     */
    public static EvalJudge open(JudgeSpec spec, Supplier<Engine> engine) {
        // First, since a file that cannot be read would leave the judge open.
        Map<String, String> origin = switch (spec) {
            case JudgeSpec.Refusal _ -> Map.of();
            case JudgeSpec.Endpoint endpoint -> Map.of("rubric_sha256", FileHash.sha256OfText(endpoint.rubric().text()), "max_tokens",
                String.valueOf(endpoint.options().maxTokens()), "seed", String.valueOf(endpoint.options().seed()));
            case JudgeSpec.Model model -> Map.of("model_sha256", FileHash.sha256(model.directory()), "rubric_sha256",
                FileHash.sha256OfText(model.options().rubric().text()), "template", model.options().template(), "least_mass",
                String.valueOf(model.options().leastMass()), "compute_dtype", String.valueOf(model.load().computeDtype()));
        };
        return new EvalJudge(spec.open(engine), origin);
    }

    String name() {
        return judge.name();
    }
}
