package io.sails4j.train;

import io.sails4j.ops.MatmulPeak;
import java.util.function.BooleanSupplier;
import org.jspecify.annotations.Nullable;

/**
 * How a run is steered from outside.
 *
 * @param resume go on from the newest checkpoint of an earlier run to the same output
 * @param stop true as soon as the run shall stop: it writes a checkpoint and ends
 * @param peak what the device can do at most, null = it is measured before the first step
 */
public record RunControl(boolean resume, BooleanSupplier stop, @Nullable MatmulPeak peak) {
    /** A run whose peak is measured. */
    public RunControl(boolean resume, BooleanSupplier stop) {
        this(resume, stop, null);
    }

    /** From the start to the end. */
    public static RunControl plain() {
        return new RunControl(false, () -> false);
    }
}
