package io.sails4j.monitor;

/** The mean of the latest values, of all where there are fewer. */
final class WindowMean {
    private final double[] latest;
    private int seen;

    WindowMean(int window) {
        this.latest = new double[window];
    }

    /** With one more value. The sum is made anew: a running one would drift, and differ from a text read from its middle. */
    double with(double value) {
        latest[seen++ % latest.length] = value;
        int n = Math.min(seen, latest.length);
        double sum = 0;
        for (int i = 0; i < n; i++) {
            sum += latest[i];
        }
        return sum / n;
    }
}
