package io.sails4j.report;

import com.fasterxml.jackson.annotation.JsonAlias;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How models hold against an attack, from {@code attack.json}.
 *
 * @param attack which: {@code gcg}, {@code prefill}, {@code ablate}
 * @param curves the search's best loss by step, empty where nothing is searched
 * @param transfers how suffixes work on prompts that they were not searched for
 * @param directions that were taken out of the residual stream
 */
public record AttackPart(PartOrigin origin, String attack, List<String> arms, List<Measurement> metrics, List<Difference> comparisons,
    List<Curve> curves, List<Transfer> transfers, List<Direction> directions, List<EvaluationPart.Completion> completions)
    implements ReportPart {
    public AttackPart {
        Required.present(attack, "kind");
        arms = List.copyOf(arms);
        metrics = List.copyOf(metrics);
        comparisons = List.copyOf(comparisons);
        curves = List.copyOf(curves);
        transfers = List.copyOf(transfers);
        directions = List.copyOf(directions);
        completions = List.copyOf(completions);
    }

    /**
     * The best loss of a search, by step.
     *
     * @param prompts numbers of those that share the suffix
     * @param suffix the best one, null where it is not told
     */
    public record Curve(String arm, List<Long> prompts, @Nullable String suffix, List<Double> losses) {
        public Curve {
            Required.present(arm, "arm");
            prompts = Required.orEmpty(prompts);
            losses = Required.orEmpty(losses);
        }
    }

    /**
     * The direction that was taken out of an arm.
     *
     * @param layer behind which it was measured
     * @param refusalLogOddsBefore of a refusal's first token with nothing taken out
     * @param layers that were compared
     */
    public record Direction(String arm, int layer, @Nullable Double refusalLogOddsBefore, List<Candidate> layers) {
        public Direction {
            Required.present(arm, "arm");
            layers = Required.orEmpty(layers);
        }
    }

    /**
     * A layer's direction taken out.
     *
     * @param kl from the model as it is, on harmless prompts, in nats
     */
    public record Candidate(int layer, @Nullable Double refusalLogOdds, @Nullable Double kl) {
    }

    /**
     * A suffix on an arm.
     *
     * @param from number of the prompt that it was found with
     * @param value null where nothing can be said
     */
    public record Transfer(String suffix, @Nullable Long from, String arm, @Nullable String judge, String measure,
        @Nullable String wanted, @JsonAlias("estimate") @Nullable Double value, @Nullable Double low, @Nullable Double high, long n,
        @Nullable Long undecided) {
        public Transfer {
            Required.present(suffix, "suffix");
            Required.present(arm, "arm");
            Required.present(measure, "measure");
        }

        /** Whether it is a share, which is shown in percent. */
        public boolean isRate() {
            return Measurement.isRate(measure);
        }
    }
}
