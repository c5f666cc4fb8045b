package io.sails4j.train;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;

/** When the state of a run is written. An older checkpoint is removed only after a newer one is complete. */
@OptionGroup("Checkpoints")
public record CheckpointOptions(
    @Described(value = "steps between checkpoints in OUT.partial, 0 = at the end and when stopped alone", label = "N",
        decides = false) long checkpointEvery,
    @Described(value = "checkpoints that stand at once", label = "N", decides = false) int keepCheckpoints) {

    public CheckpointOptions {
        InputException.requireOption(checkpointEvery >= 0, "checkpoint_every", checkpointEvery, "0 (only at the end) or more steps");
        InputException.requireOption(keepCheckpoints >= 1, "keep_checkpoints", keepCheckpoints, "1 or more");
    }

    /** Every hundred steps; two stand at once. */
    public static CheckpointOptions defaults() {
        return new CheckpointOptions(100, 2);
    }
}
