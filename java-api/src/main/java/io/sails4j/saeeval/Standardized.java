package io.sails4j.saeeval;

/** Columns moved to mean 0 and scaled to deviation 1, by what some rows have. */
record Standardized(double[] mean, double[] deviation) {
    /** @param x [n * width], row-major */
    static Standardized of(float[] x, int width) {
        double[] mean = new double[width];
        double[] squares = new double[width];
        int n = x.length / width;
        for (int at = 0; at < x.length; at++) {
            mean[at % width] += (double) x[at] / n;
        }
        for (int at = 0; at < x.length; at++) {
            squares[at % width] += (x[at] - mean[at % width]) * (x[at] - mean[at % width]) / n;
        }
        for (int j = 0; j < width; j++) {
            squares[j] = squares[j] == 0 ? 1 : Math.sqrt(squares[j]);
        }
        return new Standardized(mean, squares);
    }

    float[] apply(float[] x) {
        float[] out = new float[x.length];
        for (int at = 0; at < x.length; at++) {
            out[at] = (float) ((x[at] - mean[at % mean.length]) / deviation[at % mean.length]);
        }
        return out;
    }
}
