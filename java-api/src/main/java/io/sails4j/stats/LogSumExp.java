package io.sails4j.stats;

/** ln sum exp x, by which logits become log probabilities; in double, and without overflow. */
public final class LogSumExp {
    private LogSumExp() {
    }

    /** That of {@code count} values from {@code from} on. */
    public static double of(float[] x, int from, int count) {
        double most = Double.NEGATIVE_INFINITY;
        for (int i = from; i < from + count; i++) {
            most = Math.max(most, x[i]);
        }
        double sum = 0;
        for (int i = from; i < from + count; i++) {
            sum += Math.exp(x[i] - most);
        }
        return most + Math.log(sum);
    }

    /** That of all values. */
    public static double of(float[] x) {
        return of(x, 0, x.length);
    }
}
