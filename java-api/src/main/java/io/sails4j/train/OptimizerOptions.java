package io.sails4j.train;

import io.sails4j.io.InputException;

/**
 * What goes beyond plain AdamW.
 *
 * @param loraPlusRatio learning rate of lora_B over that of lora_A (LoRA+, arXiv:2402.12354), 1 = equal
 * @param decayVectors whether weight decay also pulls norms and other vectors; by custom it does not
 * @param emaDecay decay of an exponential moving average of the parameters, with which the run ends, 0 = none
 * @param in8bit keep the moments in 8 bits by blocks (arXiv:2110.02861): a quarter of the memory, not the same numbers
 * @param bf16Masters of a model in BF16 that is trained whole: the optimizer changes its parameters themselves, with a BF16 remainder beside each
 *     (Kahan summation, arXiv:2010.06192, section 4), instead of F32 copies
 */
public record OptimizerOptions(double loraPlusRatio, boolean decayVectors, double emaDecay, boolean in8bit, boolean bf16Masters) {
    /** With F32 masters. */
    public OptimizerOptions(double loraPlusRatio, boolean decayVectors, double emaDecay, boolean in8bit) {
        this(loraPlusRatio, decayVectors, emaDecay, in8bit, false);
    }

    public OptimizerOptions {
        if (!(loraPlusRatio > 0) || Double.isInfinite(loraPlusRatio)) {
            throw new InputException("lora_plus_ratio is " + loraPlusRatio + ", expected a positive number");
        }
        if (!(emaDecay >= 0 && emaDecay < 1)) {
            throw new InputException("ema_decay is " + emaDecay + ", expected a number in [0, 1), 0 = no average");
        }
        if (bf16Masters && emaDecay > 0) {
            throw new InputException("a moving average of the parameters needs their F32 masters: leave out --ema-decay or --master bf16");
        }
    }

    public static OptimizerOptions plain() {
        return new OptimizerOptions(1, false, 0, false);
    }
}
