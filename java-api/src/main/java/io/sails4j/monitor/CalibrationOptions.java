package io.sails4j.monitor;

import io.sails4j.InputException;
import io.sails4j.options.Described;
import io.sails4j.options.OptionGroup;

/** How thresholds are chosen. */
@OptionGroup("Calibration")
public record CalibrationOptions(
    @Described(value = "share of quiet texts that may raise an alarm", label = "RATE") double falseAlarmRate,
    @Described(value = "tokens over which a signal is averaged", label = "N") int window,
    @Described("which texts choose the threshold and which test it") long seed) {

    public CalibrationOptions {
        InputException.requireOption(falseAlarmRate > 0 && falseAlarmRate < 1, "false_alarm_rate", falseAlarmRate,
            "more than 0, less than 1");
        InputException.requireOption(window >= 1 && window <= Trigger.LONGEST, "window", window, "1 to " + Trigger.LONGEST + " tokens");
    }

    /** One alarm in twenty quiet texts, means of four tokens. */
    public static CalibrationOptions defaults() {
        return new CalibrationOptions(0.05, 4, 0);
    }
}
