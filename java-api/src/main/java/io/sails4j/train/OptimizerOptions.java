package io.sails4j.train;

import io.sails4j.InputException;
import io.sails4j.ops.AdamwOptions;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;
import java.util.function.Consumer;

/**
 * AdamW and what goes beyond it.
 *
 * @param loraPlusRatio LoRA+ (arXiv:2402.12354)
 * @param decayVectors by custom weight decay does not pull norms and other vectors
 */
@OptionGroup("Optimizer")
public record OptimizerOptions(
    AdamwOptions adamw,
    @Described(value = "gradients are clipped to this norm, 0 = not", label = "N") double maxGradNorm,
    @Described(value = "learning rate of lora_B over that of lora_A (LoRA+)", label = "X",
        usedWith = "method=sails|lora") double loraPlusRatio,
    @Described(value = "weight decay pulls norms and other vectors too", usedWith = {
        "method=full, weight_decay>0", "use_dora=true, weight_decay>0"}) boolean decayVectors,
    @Described(value = "end with an exponential moving average of the parameters, 0 = off", label = "D") double emaDecay,
    OptimizerState state) {

    public OptimizerOptions {
        InputException.requireOption(maxGradNorm >= 0 && Double.isFinite(maxGradNorm), "max_grad_norm", maxGradNorm,
            "0 (no clipping) or a positive number");
        InputException.requireOption(loraPlusRatio > 0 && Double.isFinite(loraPlusRatio), "lora_plus_ratio", loraPlusRatio,
            "a positive number");
        InputException.requireOption(emaDecay >= 0 && emaDecay < 1, "ema_decay", emaDecay, "a number in [0, 1), 0 = no average");
        if (state.master() == Master.BF16 && emaDecay > 0) {
            throw new InputException("a moving average of the parameters needs their F32 masters: leave out ema_decay or master=bf16");
        }
    }

    /** Plain AdamW with gradients clipped to norm 1. */
    public static OptimizerOptions of(AdamwOptions adamw) {
        return new OptimizerOptions(adamw, 1, 1, false, 0, OptimizerState.exact());
    }

    /** Other options: {@code change} gets a builder that has these. */
    public OptimizerOptions with(Consumer<Builder> change) {
        Builder builder = new Builder(this);
        change.accept(builder);
        return new OptimizerOptions(builder.adamw, builder.maxGradNorm, builder.loraPlusRatio, builder.decayVectors, builder.emaDecay,
            builder.state);
    }

    /** The components, to be changed. */
    public static final class Builder {
        public AdamwOptions adamw;
        public double maxGradNorm;
        public double loraPlusRatio;
        public boolean decayVectors;
        public double emaDecay;
        public OptimizerState state;

        private Builder(OptimizerOptions from) {
            adamw = from.adamw;
            maxGradNorm = from.maxGradNorm;
            loraPlusRatio = from.loraPlusRatio;
            decayVectors = from.decayVectors;
            emaDecay = from.emaDecay;
            state = from.state;
        }
    }
}
