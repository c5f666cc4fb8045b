package io.sails4j.train;

import io.sails4j.ops.Graphs;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;

/** What changes memory and time, and no bit of the result. */
@OptionGroup("Execution")
public record Execution(
    @Described(
        value = "what the backward computes again to save memory: nothing; of every layer the norms and activations, but no"
            + " product; every layer; the "
            + "lowest N layers; or the cheapest mix that fits into memory_gib",
        label = "off|selective|full|N|auto", decides = false) RecomputeOption recompute,
    @Described(
        value = "launch passes of a shape that comes again, and the optimizer, as recorded graphs, with the same bits: where"
            + " the backend records, always, "
            + "or never",
        decides = false) Graphs graphs) {

    /** Nothing is computed again; graphs where the backend records. */
    public static Execution defaults() {
        return new Execution(RecomputeOption.off(), Graphs.AUTO);
    }
}
