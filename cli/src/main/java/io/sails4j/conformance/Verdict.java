package io.sails4j.conformance;

/** What the comparisons of one case gave so far. */
final class Verdict {
    private long comparisons;
    private double worstShare = -1;
    private double worstError;
    private double worstLimit;
    private String detail = "";

    /** Counts one comparison; infinities must be equal and NaN must be NaN. */
    void compare(String name, int index, double actual, double expected, double limit) {
        comparisons++;
        boolean same = actual == expected || (Double.isNaN(actual) && Double.isNaN(expected));
        double error = same ? 0 : Math.abs(actual - expected);
        boolean ok = same || error <= limit;
        double share = ok ? (limit == 0 ? 0 : error / limit) : Double.isNaN(error) ? Double.POSITIVE_INFINITY : Math.max(error / limit, 1);
        if (share > worstShare) {
            worstShare = share;
            worstError = error;
            worstLimit = limit;
        }
        if (!ok) {
            fail(name + "[" + index + "] is " + actual + ", expected " + expected + " within " + limit);
        }
    }

    long comparisons() {
        return comparisons;
    }

    /** The first failure is the one that is told. */
    void fail(String text) {
        if (detail.isEmpty()) {
            detail = text;
        }
    }

    CaseResult result(OpCase opCase) {
        return new CaseResult(opCase.operation(), opCase.describe(), opCase.dtype(), comparisons, worstError, worstLimit,
            detail.isEmpty(), detail);
    }
}
