package io.sails4j.conformance;

import io.sails4j.tensor.DType;

/**
 * What one case gave.
 *
 * @param operation the name in {@code sails.h} without {@code sails_}
 * @param name shape and options
 * @param comparisons how many numbers were compared
 * @param worstError absolute error of the element that used up most of its limit
 * @param limit that element's limit, computed from the arithmetic
 * @param detail empty, or what went wrong
 */
public record CaseResult(String operation, String name, DType dtype, long comparisons, double worstError, double limit, boolean ok,
    String detail) {
}
