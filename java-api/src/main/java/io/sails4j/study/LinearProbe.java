package io.sails4j.study;

import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.CommonOps_DDRM;

/**
 * A linear probe by ridge regression on labels of 1 and -1 (Hoerl, Kennard 1970; as a classifier Hastie et al., The Elements of Statistical
 * Learning, section 4.2): w = (Xᵀ X + λ I)⁻¹ Xᵀ y of centred x. λ is a hundredth of the mean of the diagonal of Xᵀ X.
 */
final class LinearProbe {
    private static final double SHRINKAGE = 0.01;

    private final double[] mean;
    private final double[] weights;
    private final double bias;

    private LinearProbe(double[] mean, double[] weights, double bias) {
        this.mean = mean;
        this.weights = weights;
        this.bias = bias;
    }

    /** @param x [n][d] */
    static LinearProbe fit(float[][] x, boolean[] labels) {
        int d = x[0].length;
        double[] mean = new double[d];
        double bias = 0;
        for (int i = 0; i < x.length; i++) {
            bias += (labels[i] ? 1.0 : -1.0) / x.length;
            for (int j = 0; j < d; j++) {
                mean[j] += (double) x[i][j] / x.length;
            }
        }
        DMatrixRMaj centred = new DMatrixRMaj(x.length, d);
        DMatrixRMaj y = new DMatrixRMaj(x.length, 1);
        for (int i = 0; i < x.length; i++) {
            y.set(i, 0, (labels[i] ? 1 : -1) - bias);
            for (int j = 0; j < d; j++) {
                centred.set(i, j, x[i][j] - mean[j]);
            }
        }
        DMatrixRMaj gram = new DMatrixRMaj(d, d);
        CommonOps_DDRM.multTransA(centred, centred, gram);
        double ridge = Math.max(SHRINKAGE * CommonOps_DDRM.trace(gram) / d, Double.MIN_NORMAL);
        for (int j = 0; j < d; j++) {
            gram.add(j, j, ridge);
        }
        DMatrixRMaj right = new DMatrixRMaj(d, 1);
        CommonOps_DDRM.multTransA(centred, y, right);
        DMatrixRMaj weights = new DMatrixRMaj(d, 1);
        if (!CommonOps_DDRM.solve(gram, right, weights)) {
            throw new IllegalStateException("a ridge regression of " + x.length + " vectors has no solution");
        }
        return new LinearProbe(mean, weights.data, bias);
    }

    /** Above 0: the label is true. */
    double score(float[] x) {
        double score = bias;
        for (int j = 0; j < x.length; j++) {
            score += weights[j] * (x[j] - mean[j]);
        }
        return score;
    }
}
