package io.sails4j.train;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;

/** How the learning rate goes over the run. */
@OptionGroup("Schedule")
public record ScheduleOptions(
    @Described("how the learning rate falls after the warm-up") LrSchedule schedule,
    @Described(value = "share of the steps in which the rate rises", label = "SHARE") double warmup) {

    public ScheduleOptions {
        InputException.requireOption(warmup >= 0 && warmup < 1, "warmup", warmup, "a number in [0, 1)");
    }

    /** The largest rate from the first step to the last. */
    public static ScheduleOptions constant() {
        return new ScheduleOptions(LrSchedule.CONSTANT, 0);
    }
}
