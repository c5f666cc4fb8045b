package io.sails4j.align;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import io.sails4j.options.Options;

/** How an adapter is held to the subspace. */
@OptionGroup("Subspace")
public record ConstraintOptions(
    @Described(value = "what keeps the adapter in the subspace; 'update' and 'core' (the factor is U C, C is trained) hold it"
        + " there", usedWith = "method=sails") Constraint constraint,
    @Described(value = "weight of the constraint 'penalty'", label = "LAMBDA", usedWith = "constraint=penalty") double penalty,
    @Described(value = "where the subspace has fewer dimensions than r: complete it, or lower the rank (auto: complement, with"
        + " 'gradient', 'update' and 'core' truncate)", usedWith = "method=sails") Fill fill) {

    public ConstraintOptions {
        InputException.requireOption(penalty >= 0 && Double.isFinite(penalty), "penalty", penalty, "0 or more");
        boolean stays = constraint == Constraint.GRADIENT || constraint == Constraint.UPDATE || constraint == Constraint.CORE;
        if (fill == Fill.COMPLEMENT && stays) {
            throw new InputException("the fill 'complement' starts outside the subspace, which the constraint '" + Options.label(constraint)
                + "' does not allow; use fill=truncate");
        }
        if (fill == Fill.AUTO) {
            fill = stays ? Fill.TRUNCATE : Fill.COMPLEMENT;
        }
    }

    /** With the fill that suits it. */
    public static ConstraintOptions of(Constraint constraint) {
        return new ConstraintOptions(constraint, 1, Fill.AUTO);
    }

    /** No constraint. */
    public static ConstraintOptions none() {
        return of(Constraint.NONE);
    }
}
