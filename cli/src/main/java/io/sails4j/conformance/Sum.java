package io.sails4j.conformance;

/** A sum in double precision that knows how far the same sum in float32 may be off. */
final class Sum {
    /** The unit roundoff of float32. */
    static final double EPS = 0x1p-24;
    /** The unit roundoff of bfloat16. */
    static final double EPS_BF16 = 0x1p-8;

    private double value;
    private double magnitude;
    private double inherited;
    private long terms;

    void add(double term) {
        value += term;
        magnitude += Math.abs(term);
        terms++;
    }

    /** A term that is itself uncertain. */
    void add(double term, double error) {
        add(term);
        inherited += error;
    }

    double value() {
        return value;
    }

    /** Sum of the terms' sizes. */
    double magnitude() {
        return magnitude;
    }

    /** eps * sqrt(length) * scale, plus what the terms brought with them. */
    double error() {
        return EPS * (Math.sqrt(terms) + 1) * magnitude + inherited;
    }
}
