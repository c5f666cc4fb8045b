package io.sails4j.saeeval;

/**
 * Logistic regression with an L2 term, by Newton's method whose steps are found by conjugate gradients: no [width, width] matrix, so that
 * vectors of a model can be fitted as well as a few features.
 *
 * @param x [n * width], row-major
 * @param positive the side of each row
 */
record LogisticFit(float[] x, int width, boolean[] positive) {
    private static final int NEWTON_STEPS = 50;
    private static final int CONJUGATE_STEPS = 100;
    private static final double ENOUGH = 1e-6;
    /** L2 on standardised inputs, by the row: keeps the fit finite where the sides separate. */
    private static final double RIDGE = 1e-2;

    /** The logit of a row; the last weight is the bias. */
    static double score(double[] weights, float[] x, int row) {
        int width = weights.length - 1;
        double sum = weights[width];
        for (int j = 0; j < width; j++) {
            sum += weights[j] * x[row * width + j];
        }
        return sum;
    }

    /** The weights, the bias last. */
    double[] weights() {
        double[] weights = new double[width + 1];
        double[] curvature = new double[positive.length];
        for (int step = 0; step < NEWTON_STEPS; step++) {
            double[] slope = slope(weights, curvature);
            double[] change = solve(curvature, slope);
            for (int j = 0; j <= width; j++) {
                weights[j] += change[j];
            }
            if (dot(change, change) <= ENOUGH * ENOUGH * dot(weights, weights)) {
                break;
            }
        }
        return weights;
    }

    /** The gradient of the log likelihood less the L2 term; fills the curvature of each row. */
    private double[] slope(double[] weights, double[] curvature) {
        double[] slope = new double[width + 1];
        for (int t = 0; t < positive.length; t++) {
            double p = 1 / (1 + Math.exp(-score(weights, x, t)));
            curvature[t] = Math.max(p * (1 - p), 1e-9);
            addRow(slope, t, positive[t] ? 1 - p : -p);
        }
        for (int j = 0; j <= width; j++) {
            slope[j] -= RIDGE * positive.length * weights[j];
        }
        return slope;
    }

    private void addRow(double[] to, int row, double factor) {
        for (int j = 0; j < width; j++) {
            to[j] += factor * x[row * width + j];
        }
        to[width] += factor;
    }

    /** H change = slope, with H = X' diag(curvature) X + L2. */
    private double[] solve(double[] curvature, double[] slope) {
        double[] change = new double[width + 1];
        double[] residual = slope.clone();
        double[] direction = slope.clone();
        double squares = dot(residual, residual);
        double enough = ENOUGH * ENOUGH * squares;
        for (int step = 0; step < CONJUGATE_STEPS && squares > enough; step++) {
            double[] image = new double[width + 1];
            for (int t = 0; t < positive.length; t++) {
                addRow(image, t, curvature[t] * score(direction, x, t));
            }
            for (int j = 0; j <= width; j++) {
                image[j] += RIDGE * positive.length * direction[j];
            }
            double length = squares / dot(direction, image);
            for (int j = 0; j <= width; j++) {
                change[j] += length * direction[j];
                residual[j] -= length * image[j];
            }
            double before = squares;
            squares = dot(residual, residual);
            for (int j = 0; j <= width; j++) {
                direction[j] = residual[j] + squares / before * direction[j];
            }
        }
        return change;
    }

    private static double dot(double[] a, double[] b) {
        double sum = 0;
        for (int j = 0; j < a.length; j++) {
            sum += a[j] * b[j];
        }
        return sum;
    }
}
