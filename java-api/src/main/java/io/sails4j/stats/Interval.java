package io.sails4j.stats;

/**
 * A value between two bounds.
 *
 * @param value the estimate
 * @param low lower bound of the 95 % interval
 * @param high upper bound
 */
public record Interval(double value, double low, double high) {
}
