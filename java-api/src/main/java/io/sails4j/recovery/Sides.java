package io.sails4j.recovery;

/** Vectors of both sides, as many of each. */
record Sides(float[][] aligned, float[][] unaligned) {
    int dimension() {
        return aligned[0].length;
    }

    /** The difference of the means. */
    double[] meanDifference() {
        double[] mean = new double[dimension()];
        for (int i = 0; i < aligned.length; i++) {
            for (int j = 0; j < mean.length; j++) {
                mean[j] += ((double) aligned[i][j] - unaligned[i][j]) / aligned.length;
            }
        }
        return mean;
    }

    /** Each vector of the aligned side less one of the unaligned. */
    float[][] differences() {
        float[][] differences = new float[aligned.length][dimension()];
        for (int i = 0; i < aligned.length; i++) {
            for (int j = 0; j < dimension(); j++) {
                differences[i][j] = aligned[i][j] - unaligned[i][j];
            }
        }
        return differences;
    }

    /** The mean of x x^T on the aligned side less that on the unaligned side. */
    double[][] momentDifference() {
        double[][] moments = new double[dimension()][dimension()];
        add(moments, aligned, 1.0 / aligned.length);
        add(moments, unaligned, -1.0 / unaligned.length);
        return moments;
    }

    private static void add(double[][] moments, float[][] rows, double weight) {
        for (float[] x : rows) {
            for (int j = 0; j < x.length; j++) {
                double xj = weight * x[j];
                for (int k = 0; k < x.length; k++) {
                    moments[j][k] += xj * x[k];
                }
            }
        }
    }
}
