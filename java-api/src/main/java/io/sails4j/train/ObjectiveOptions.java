package io.sails4j.train;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import io.sails4j.options.Options;

/** What is minimised. */
@OptionGroup("Objective")
public record ObjectiveOptions(
    @Described("likelihood of the aligned answers, or preference over the unaligned by the loss of DPO, IPO or ORPO") Objective objective,
    @Described(value = "beta of DPO and IPO, weight of ORPO's odds ratio", label = "B") double beta,
    @Described("of DPO and IPO: the untrained model's log-probabilities once before the first step, kept on disk, or in each"
        + " step with the adapter off") Reference reference) {

    public ObjectiveOptions {
        InputException.requireOption(beta > 0 && Double.isFinite(beta), "beta", beta, "a positive number");
        if (reference == Reference.LIVE && objective != Objective.DPO && objective != Objective.IPO) {
            throw new InputException(
                "the objective '" + Options.label(objective) + "' has no reference: leave out reference=live, or use dpo or ipo");
        }
    }

    /** Likelihood of the aligned answers. */
    public static ObjectiveOptions sft() {
        return new ObjectiveOptions(Objective.SFT, 0.1, Reference.CACHED);
    }

    /** With beta 0.1 and, where the objective has one, a reference that is computed once. */
    public static ObjectiveOptions of(Objective objective) {
        return new ObjectiveOptions(objective, 0.1, Reference.CACHED);
    }

    /** The same with another reference. */
    public ObjectiveOptions withReference(Reference other) {
        return new ObjectiveOptions(objective, beta, other);
    }

    /** The same with another beta. */
    public ObjectiveOptions withBeta(double other) {
        return new ObjectiveOptions(objective, other, reference);
    }
}
