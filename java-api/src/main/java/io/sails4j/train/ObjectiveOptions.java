package io.sails4j.train;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import io.sails4j.options.Options;
import java.util.List;
import java.util.Set;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.stream.Collectors;

/** What is minimised. */
@OptionGroup("Objective")
public record ObjectiveOptions(
    @Described("likelihood of the aligned answers; preference over the unaligned by the loss of DPO, IPO or ORPO; or the reward of"
        + " answers that the model samples itself, by RLOO or GRPO") Objective objective,
    @Described(value = "beta of DPO and IPO, weight of ORPO's odds ratio", label = "B", usedWith = "objective=dpo|ipo|orpo") double beta,
    @Described(value = "of DPO and IPO: the untrained model's log-probabilities once before the first step, kept on disk, or in each"
        + " step with the adapter off", usedWith = "objective=dpo|ipo") Reference reference,
    PolicyOptions policy) {
    private static final double USUAL_BETA = 0.1;

    public ObjectiveOptions {
        InputException.requireOption(beta > 0 && Double.isFinite(beta), "beta", beta, "a positive number");
        String name = Options.label(objective);
        if (reference == Reference.LIVE && objective != Objective.DPO && objective != Objective.IPO) {
            throw new InputException("the objective '" + name + "' has no reference"
                + (objective.samplesAnswers() ? " to choose, it is the model with the adapter off" : "")
                + ": leave out reference=live, or use dpo or ipo");
        }
        if (objective.samplesAnswers() && beta != USUAL_BETA) {
            throw new InputException("beta is of pairs, and the objective '" + name + "' has none: leave it out, or set kl_beta");
        }
        List<String> unused = unused(objective, policy);
        if (!unused.isEmpty()) {
            throw new InputException("the objective '" + name + "' does not use " + String.join(", ", unused) + ": leave "
                + (unused.size() == 1 ? "it" : "them") + " out, or use " + (objective == Objective.RLOO ? "grpo" : "rloo or grpo"));
        }
    }

    /** Without answers of its own; with them, the usual ones. */
    public ObjectiveOptions(Objective objective, double beta, Reference reference) {
        this(objective, beta, reference, PolicyOptions.defaults());
    }

    /** The names of options that were changed and that the objective does not know. */
    private static List<String> unused(Objective objective, PolicyOptions policy) {
        Set<String> known = switch (objective) {
            case SFT, DPO, IPO, ORPO -> Set.of();
            case RLOO -> names(policy, Predicate.not(Set.of("clip", "inner_updates")::contains));
            case GRPO -> names(policy, _ -> true);
        };
        Set<Options.Entry> usual = Set.copyOf(Options.of(PolicyOptions.defaults()));
        return Options.of(policy).stream().filter(Predicate.not(usual::contains)).map(Options.Entry::name)
            .filter(Predicate.not(known::contains)).toList();
    }

    private static Set<String> names(PolicyOptions policy, Predicate<String> which) {
        return Options.of(policy).stream().map(Options.Entry::name).filter(which).collect(Collectors.toSet());
    }

    /** Likelihood of the aligned answers. */
    public static ObjectiveOptions sft() {
        return of(Objective.SFT);
    }

    /** With beta 0.1 and, where the objective has one, a reference that is computed once. */
    public static ObjectiveOptions of(Objective objective) {
        return new ObjectiveOptions(objective, USUAL_BETA, Reference.CACHED);
    }

    /** The same with another reference. */
    public ObjectiveOptions withReference(Reference other) {
        return new ObjectiveOptions(objective, beta, other, policy);
    }

    /** The same with another beta. */
    public ObjectiveOptions withBeta(double other) {
        return new ObjectiveOptions(objective, other, reference, policy);
    }

    /** The same with other answers to learn from: {@code change} gets a builder that has these. */
    public ObjectiveOptions withPolicy(Consumer<PolicyOptions.Builder> change) {
        return new ObjectiveOptions(objective, beta, reference, policy.with(change));
    }
}
