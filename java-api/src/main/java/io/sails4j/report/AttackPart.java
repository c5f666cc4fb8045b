package io.sails4j.report;

import com.fasterxml.jackson.annotation.JsonAlias;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How models hold against an attack, from {@code attack.json}.
 *
 * @param attack which: {@code gcg}, {@code prefill}, {@code ablate}
 * @param curves the search's best loss by step, empty where nothing is searched
 * @param transfers how suffixes that were found for one arm work on others
 */
public record AttackPart(PartOrigin origin, String attack, List<String> arms, List<Measurement> metrics, List<Difference> comparisons,
    List<Curve> curves, List<Transfer> transfers) implements ReportPart {
    public AttackPart {
        Required.present(attack, "kind");
        arms = List.copyOf(arms);
        metrics = List.copyOf(metrics);
        comparisons = List.copyOf(comparisons);
        curves = List.copyOf(curves);
        transfers = List.copyOf(transfers);
    }

    /** The best loss of a search for one prompt, by step. */
    public record Curve(String arm, String prompt, List<Double> losses) {
        public Curve {
            Required.present(arm, "arm");
            Required.present(prompt, "prompt");
            losses = Required.orEmpty(losses);
        }
    }

    /**
     * A suffix on an arm.
     *
     * @param from number of the prompt that it was found with
     * @param value the rate, null where nothing can be said
     */
    public record Transfer(String suffix, @Nullable Long from, String arm, @JsonAlias({
        "estimate", "rate"}) @Nullable Double value,
        @Nullable Double low, @Nullable Double high, long n) {
        public Transfer {
            Required.present(suffix, "suffix");
            Required.present(arm, "arm");
        }
    }
}
