package io.sails4j.conformance;

import io.sails4j.tensor.DType;

/**
 * One operation at one shape: how its arguments are drawn, how it is called, and what must come out. Cases are records, so that
 * {@code toString} names the shape.
 */
public interface OpCase {
    /** The name in {@code sails.h} without {@code sails_}. */
    String operation();

    /** The type that the case is about. */
    DType dtype();

    /** Floating-point operations of one call. */
    double flops();

    /**
     * Draws the arguments into the fixture, leaves the oracle there ({@link Fixture#oracle}), and returns the call. The oracle is only
     * run by the conformance suite, so that a benchmark can use large shapes ({@link Fixture#timed}).
     */
    Runnable prepare(Fixture fixture);

    /** Whether an emulated device takes seconds for it, and a smaller case shows the same there. */
    default boolean large() {
        return false;
    }

    /** The shape for tables: the record's components. */
    default String describe() {
        String text = toString();
        return text.substring(text.indexOf('[') + 1, text.length() - 1);
    }
}
