package io.sails4j.subspace;

import io.sails4j.InputException;
import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.SingularOps_DDRM;
import org.ejml.dense.row.factory.DecompositionFactory_DDRM;
import org.ejml.interfaces.decomposition.SingularValueDecomposition_F64;

/**
 * The smallest subspace that explains a share of the variance of a set of directions.
 *
 * @param basis [d][components], orthonormal columns, by falling singular value; each column's largest entry is positive
 * @param singularValues of the directions, falling
 * @param share of the variance that the components explain
 */
public record PcaSubspace(double[][] basis, double[] singularValues, double share) {
    /** Columns of the basis. */
    public int components() {
        return basis.length == 0 ? 0 : basis[0].length;
    }

    /** The first {@code k} columns of the basis, [d * k], row-major. */
    float[] firstColumns(int k) {
        float[] flat = new float[basis.length * k];
        for (int i = 0; i < flat.length; i++) {
            flat[i] = (float) basis[i / k][i % k];
        }
        return flat;
    }

    /** Below this share of the rows' own squares their spread is the rounding of the mean: three equal rows do not cancel exactly. */
    private static final double ROUNDING = 1e-24;

    /**
     * PCA of the rows: the smallest k with sigma_1^2 + ... + sigma_k^2 >= variance * sum of sigma^2.
     *
     * @param directions [n][d]
     * @param variance share to explain, above 0 and at most 1
     * @param centre subtract the mean row first
     */
    public static PcaSubspace of(float[][] directions, double variance, boolean centre) {
        if (!(variance > 0 && variance <= 1)) {
            throw new InputException("the variance to explain is " + variance + ", expected a share above 0 and at most 1");
        }
        DMatrixRMaj matrix = matrix(directions, centre);
        int rows = matrix.numRows;
        SingularValueDecomposition_F64<DMatrixRMaj> svd = DecompositionFactory_DDRM.svd(rows, matrix.numCols, false, true, true);
        if (!svd.decompose(matrix)) {
            throw new IllegalStateException("the singular value decomposition of " + rows + " directions did not converge");
        }
        DMatrixRMaj v = svd.getV(null, false);
        DMatrixRMaj w = svd.getW(null);
        SingularOps_DDRM.descendingOrder(null, false, w, v, false);
        double[] values = new double[Math.min(w.numRows, w.numCols)];
        double total = 0;
        for (int i = 0; i < values.length; i++) {
            values[i] = w.get(i, i);
            total += values[i] * values[i];
        }
        if (!(total > ROUNDING * squares(directions))) {
            throw new InputException("the " + rows + " kept directions do not vary" + (centre && rows == 1
                ? ": centring a single direction leaves nothing; use centre=false or a larger top_k" : ", so they span no subspace"));
        }
        int k = 0;
        double sum = 0;
        while (k < values.length && sum < variance * total * (1 - 1e-12)) {
            sum += values[k] * values[k];
            k++;
        }
        return new PcaSubspace(columns(v, k), values, sum / total);
    }

    private static double squares(float[][] rows) {
        double sum = 0;
        for (float[] row : rows) {
            for (float x : row) {
                sum += (double) x * x;
            }
        }
        return sum;
    }

    private static DMatrixRMaj matrix(float[][] directions, boolean centre) {
        int n = directions.length;
        if (n == 0) {
            throw new InputException("there is no direction to span a subspace: no feature was kept");
        }
        int d = directions[0].length;
        double[] mean = new double[d];
        if (centre) {
            for (float[] row : directions) {
                for (int j = 0; j < d; j++) {
                    mean[j] += (double) row[j] / n;
                }
            }
        }
        DMatrixRMaj matrix = new DMatrixRMaj(n, d);
        for (int i = 0; i < n; i++) {
            for (int j = 0; j < d; j++) {
                matrix.set(i, j, directions[i][j] - mean[j]);
            }
        }
        return matrix;
    }

    /**
     * The first k columns, orthonormalised once more (modified Gram-Schmidt, the QR of an almost orthonormal matrix), with a fixed sign.
     */
    private static double[][] columns(DMatrixRMaj v, int k) {
        double[][] q = new double[v.numRows][k];
        for (int c = 0; c < k; c++) {
            double[] column = new double[v.numRows];
            for (int i = 0; i < column.length; i++) {
                column[i] = v.get(i, c);
            }
            for (int p = 0; p < c; p++) {
                double dot = 0;
                for (int i = 0; i < column.length; i++) {
                    dot += q[i][p] * column[i];
                }
                for (int i = 0; i < column.length; i++) {
                    column[i] -= dot * q[i][p];
                }
            }
            double norm = 0;
            double largest = 0;
            for (double x : column) {
                norm += x * x;
                largest = Math.abs(x) > Math.abs(largest) ? x : largest;
            }
            double factor = Math.copySign(1 / Math.sqrt(norm), largest);
            for (int i = 0; i < column.length; i++) {
                q[i][c] = column[i] * factor;
            }
        }
        return q;
    }

    /** The rows scaled to length 1; rows of zeros stay. */
    public static float[][] unitRows(float[][] directions) {
        float[][] unit = new float[directions.length][];
        for (int i = 0; i < unit.length; i++) {
            double sum = 0;
            for (float x : directions[i]) {
                sum += (double) x * x;
            }
            double factor = sum == 0 ? 0 : 1 / Math.sqrt(sum);
            unit[i] = new float[directions[i].length];
            for (int j = 0; j < unit[i].length; j++) {
                unit[i][j] = (float) (directions[i][j] * factor);
            }
        }
        return unit;
    }
}
