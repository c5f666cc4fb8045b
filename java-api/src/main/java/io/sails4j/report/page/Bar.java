package io.sails4j.report.page;

import org.jspecify.annotations.Nullable;

/**
 * A value and its interval on a scale, in percent of the scale's width.
 *
 * @param known whether there is anything to draw
 * @param zero where the scale's 0 lies
 */
public record Bar(boolean known, double zero, double low, double value, double high) {
    private static final Bar NOTHING = new Bar(false, 0, 0, 0, 0);

    static Bar of(Scale scale, @Nullable Double low, @Nullable Double value, @Nullable Double high) {
        if (value == null || !Double.isFinite(value)) {
            return NOTHING;
        }
        return new Bar(true, percent(scale, 0), percent(scale, low == null ? value : low), percent(scale, value),
            percent(scale, high == null ? value : high));
    }

    private static double percent(Scale scale, double value) {
        return Math.round(1000 * Math.clamp(scale.share(value), 0, 1)) / 10.0;
    }

    /** Where the bar begins. */
    public double left() {
        return Math.min(zero, value);
    }

    /** How long the bar is. */
    public double width() {
        return Math.round(10 * Math.abs(value - zero)) / 10.0;
    }

    /** How long the interval is. */
    public double reach() {
        return Math.round(10 * (high - low)) / 10.0;
    }
}
