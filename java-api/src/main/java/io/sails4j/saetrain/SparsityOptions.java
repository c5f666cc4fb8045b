package io.sails4j.saetrain;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import java.util.function.Consumer;

/** What holds down the number of active features where the kind does not fix it: jumprelu, gated, standard. */
@OptionGroup("Sparsity")
public record SparsityOptions(
    @Described(value = "coefficient of the sparsity term, 0 = the kind's: jumprelu 1, with a target 20, gated and standard 2",
        label = "X", usedWith = "kind=jumprelu|gated|standard") double sparsity,
    @Described(value = "share of the steps in which the coefficient rises from 0", label = "SHARE",
        usedWith = "kind=jumprelu|gated|standard") double sparsityWarmup,
    @Described(value = "active features that jumprelu is held to, 0 = the term has no target", label = "N",
        usedWith = "kind=jumprelu, penalty=l0") double targetL0,
    @Described(value = "sparsity term of jumprelu", usedWith = "kind=jumprelu") SparsityPenalty penalty,
    @Described(value = "width of the window in which thresholds of jumprelu have a gradient", label = "X",
        usedWith = "kind=jumprelu") double bandwidth,
    @Described(value = "threshold that features of jumprelu start with", label = "X", usedWith = "kind=jumprelu") double initialThreshold) {

    /** A coefficient that says: take the one of the kind. */
    public static final double OF_KIND = 0;
    /** Enough that the target decides L0 and not the error. */
    private static final double OF_TARGET = 20;

    public SparsityOptions {
        InputException.requireOption(sparsity >= 0 && Double.isFinite(sparsity), "sparsity", sparsity, "a finite number >= 0");
        InputException.requireOption(sparsityWarmup >= 0 && sparsityWarmup <= 1, "sparsity_warmup", sparsityWarmup, "a number in [0, 1]");
        InputException.requireOption(targetL0 >= 0 && Double.isFinite(targetL0), "target_l0", targetL0, "0 (no target) or more features");
        InputException.requireOption(bandwidth > 0 && Double.isFinite(bandwidth), "bandwidth", bandwidth, "a number > 0");
        InputException.requireOption(initialThreshold > 0 && Double.isFinite(initialThreshold), "initial_threshold", initialThreshold,
            "a number > 0");
    }

    /** The kind's coefficient, which rises over a tenth of the steps; the L0 term without a target. */
    public static SparsityOptions defaults() {
        return new SparsityOptions(OF_KIND, 0.1, 0, SparsityPenalty.L0, 1, 1);
    }

    /** The coefficient; where none was chosen the kind's. */
    double sparsity(SaeKind kind) {
        if (sparsity != OF_KIND) {
            return sparsity;
        }
        return switch (kind) {
            case JUMPRELU -> targetL0 > 0 ? OF_TARGET : 1;
            case GATED, STANDARD -> 2;
            case TOPK, BATCHTOPK -> 0;
        };
    }

    /** Other options: {@code change} gets a builder that has these. */
    public SparsityOptions with(Consumer<Builder> change) {
        Builder builder = new Builder(this);
        change.accept(builder);
        return new SparsityOptions(builder.sparsity, builder.sparsityWarmup, builder.targetL0, builder.penalty, builder.bandwidth,
            builder.initialThreshold);
    }

    /** The components, to be changed. */
    public static final class Builder {
        public double sparsity;
        public double sparsityWarmup;
        public double targetL0;
        public SparsityPenalty penalty;
        public double bandwidth;
        public double initialThreshold;

        private Builder(SparsityOptions from) {
            sparsity = from.sparsity;
            sparsityWarmup = from.sparsityWarmup;
            targetL0 = from.targetL0;
            penalty = from.penalty;
            bandwidth = from.bandwidth;
            initialThreshold = from.initialThreshold;
        }
    }
}
