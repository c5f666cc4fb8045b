package io.sails4j.stats;

import com.fasterxml.jackson.databind.node.ObjectNode;

/**
 * An estimate between the bounds of its 95 % interval. All three are NaN where nothing can be said: a rate of no case, agreement where
 * there is one class alone.
 *
 * @param value the estimate
 * @param low lower bound
 * @param high upper bound
 */
public record Interval(double value, double low, double high) {
    /** What a normal distribution exceeds on either side in 2.5 % of all cases. */
    static final double Z = 1.959963984540054;

    /** Where nothing can be said. */
    static final Interval UNKNOWN = new Interval(Double.NaN, Double.NaN, Double.NaN);

    /** Whether there is an estimate. */
    public boolean known() {
        return !Double.isNaN(value);
    }

    /** Writes {@code value}, {@code low} and {@code high}; null for each of which nothing can be said, since NaN is no JSON. */
    public void writeInto(ObjectNode json) {
        put(json, "value", value);
        put(json, "low", low);
        put(json, "high", high);
    }

    private static void put(ObjectNode json, String name, double number) {
        json.put(name, Double.isNaN(number) ? null : number);
    }

    /** What is cut off at bounds that the quantity cannot pass. */
    Interval within(double least, double most) {
        return new Interval(Math.clamp(value, least, most), Math.clamp(low, least, most), Math.clamp(high, least, most));
    }
}
