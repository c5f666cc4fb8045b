package io.sails4j.saetrain;

import io.sails4j.InputException;
import io.sails4j.ops.AdamwOptions;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import java.util.function.Consumer;

/** AdamW and how its learning rate goes. */
@OptionGroup("Schedule")
public record SaeOptimization(
    AdamwOptions adamw,
    @Described(value = "gradients are scaled down to this norm, 0 = never", label = "X") double maxGradNorm,
    @Described(value = "share of the steps in which the rate rises", label = "SHARE") double warmup,
    @Described(value = "share of the steps, the last ones, in which the rate falls to 0", label = "SHARE") double decay) {

    /** A learning rate that says: take the one of the autoencoder's size. */
    public static final double BY_SIZE = 0;

    public SaeOptimization {
        InputException.requireOption(maxGradNorm >= 0 && Double.isFinite(maxGradNorm), "max_grad_norm", maxGradNorm, "0 (never) or more");
        InputException.requireOption(warmup >= 0 && warmup < 1, "warmup", warmup, "a number in [0, 1)");
        InputException.requireOption(decay >= 0 && decay <= 1 - warmup, "decay", decay, "0 to what the warm-up leaves, " + (1 - warmup));
    }

    /** AdamW with betas of 0.9 and 0.999, as in arXiv:2406.04093, at the rate of the size; the last fifth in decay. */
    public static SaeOptimization defaults() {
        return new SaeOptimization(new AdamwOptions(BY_SIZE, 0.9, 0.999, 1e-8, 0), 1, 0.02, 0.2);
    }

    /**
     * The largest learning rate; where none was chosen 1 / sqrt(d_in width). arXiv:2406.04093 finds that the best rate falls with the
     * root of the width; a step of Adam turns a row of length 1 by about lr sqrt(d_in).
     */
    double lr(int dIn, int width) {
        return adamw.lr() == BY_SIZE ? 1 / Math.sqrt((double) dIn * width) : adamw.lr();
    }

    /** The learning rate of a step, from 0, in a run of so many. */
    double lr(int dIn, int width, long step, long steps) {
        return lr(dIn, width) * factor(step, steps);
    }

    /** The factor of a step's learning rate. */
    double factor(long step, long total) {
        double rising = Math.min(1, (step + 1) / (Math.floor(warmup * total) + 1));
        double falling = decay == 0 ? 1 : Math.min(1, (total - step) / (Math.floor(decay * total) + 1));
        return Math.min(rising, falling);
    }

    /** Other options: {@code change} gets a builder that has these. */
    public SaeOptimization with(Consumer<Builder> change) {
        Builder builder = new Builder(this);
        change.accept(builder);
        return new SaeOptimization(builder.adamw, builder.maxGradNorm, builder.warmup, builder.decay);
    }

    /** The components, to be changed. */
    public static final class Builder {
        public AdamwOptions adamw;
        public double maxGradNorm;
        public double warmup;
        public double decay;

        private Builder(SaeOptimization from) {
            adamw = from.adamw;
            maxGradNorm = from.maxGradNorm;
            warmup = from.warmup;
            decay = from.decay;
        }
    }
}
