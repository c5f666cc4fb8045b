package io.sails4j.sae;

/**
 * How well codes stand for their input.
 *
 * @param tokens how many were looked at
 * @param l0 mean number of active features
 * @param mse mean squared error per element
 * @param fvu fraction of variance unexplained: sum |x - x^|^2 / sum |x - mean(x)|^2; NaN where inputs that do not vary are missed
 */
public record SaeMetrics(long tokens, double l0, double mse, double fvu) {
    /** From x and its reconstruction [n][d], row-major. */
    public static SaeMetrics of(float[] x, float[] recon, int d, double l0) {
        int n = d == 0 ? 0 : x.length / d;
        double[] mean = new double[d];
        for (int i = 0; i < x.length; i++) {
            mean[i % d] += (double) x[i] / n;
        }
        double error = 0;
        double variance = 0;
        for (int i = 0; i < x.length; i++) {
            double e = (double) x[i] - recon[i];
            double v = x[i] - mean[i % d];
            error += e * e;
            variance += v * v;
        }
        return new SaeMetrics(n, l0, x.length == 0 ? 0 : error / x.length,
            variance == 0 && error == 0 ? 0 : variance == 0 ? Double.NaN : error / variance);
    }
}
