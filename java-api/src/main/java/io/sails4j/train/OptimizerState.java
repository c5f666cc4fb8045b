package io.sails4j.train;

import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;

/**
 * What the optimizer keeps of each parameter.
 *
 * @param in8bit moments in 8 bits by blocks (arXiv:2110.02861)
 * @param master of a model that is trained whole
 */
@OptionGroup("Optimizer")
public record OptimizerState(
    @Described(value = "keep AdamW's moments in 8 bits by blocks: a quarter of the memory of its state, not the same numbers",
        name = "optimizer_8bit") boolean in8bit,
    @Described(value = "what method=full changes of a model in bf16: f32 copies of its parameters, or the parameters themselves with"
        + " a bf16 remainder each, in half "
        + "the memory of the copies", usedWith = "method=full") Master master) {

    /** Moments and masters in F32. */
    public static OptimizerState exact() {
        return new OptimizerState(false, Master.F32);
    }
}
