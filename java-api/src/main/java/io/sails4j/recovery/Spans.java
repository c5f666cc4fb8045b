package io.sails4j.recovery;

import io.sails4j.subspace.PcaSubspace;
import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;
import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.factory.DecompositionFactory_DDRM;
import org.ejml.interfaces.decomposition.EigenDecomposition_F64;

/** Subspaces as orthonormal columns, [dimension][k]. */
final class Spans {
    private Spans() {
    }

    /** The span of rows that are linearly independent. */
    static double[][] of(float[][] rows) {
        return PcaSubspace.of(rows, 1, false).basis();
    }

    /** The same of rows in double. */
    static double[][] of(double[][] rows) {
        float[][] floats = new float[rows.length][rows[0].length];
        for (int i = 0; i < rows.length; i++) {
            for (int j = 0; j < rows[i].length; j++) {
                floats[i][j] = (float) rows[i][j];
            }
        }
        return of(floats);
    }

    /** The first {@code k} principal components of rows. */
    static double[][] first(int k, float[][] rows, boolean centre) {
        return columns(PcaSubspace.of(rows, 1, centre).basis(), k);
    }

    /** The eigenvectors of the {@code k} largest eigenvalues of a symmetric matrix. */
    static double[][] largest(int k, double[][] symmetric) {
        int n = symmetric.length;
        EigenDecomposition_F64<DMatrixRMaj> eigen = DecompositionFactory_DDRM.eig(n, true, true);
        if (!eigen.decompose(new DMatrixRMaj(symmetric))) {
            throw new IllegalStateException("the eigenvalues of a matrix of " + n + " rows did not converge");
        }
        int[] order = IntStream.range(0, n).boxed()
            .sorted(Comparator.comparingDouble(i -> -eigen.getEigenvalue(i).getReal())).mapToInt(Integer::intValue).toArray();
        double[][] basis = new double[n][k];
        for (int c = 0; c < k; c++) {
            DMatrixRMaj vector = eigen.getEigenVector(order[c]);
            for (int j = 0; j < n; j++) {
                basis[j][c] = vector.get(j, 0);
            }
        }
        return basis;
    }

    private static double[][] columns(double[][] basis, int k) {
        double[][] first = new double[basis.length][];
        for (int j = 0; j < basis.length; j++) {
            first[j] = Arrays.copyOf(basis[j], k);
        }
        return first;
    }

    /**
     * The distance of the projections onto two subspaces, ||P_a - P_b|| in Frobenius' norm: the root of k_a + k_b - 2 ||A^T B||^2. At least
     * the root of r - 1 between one direction and a subspace of r.
     */
    static double distance(double[][] a, double[][] b) {
        double overlap = 0;
        for (int p = 0; p < a[0].length; p++) {
            for (int q = 0; q < b[0].length; q++) {
                double dot = 0;
                for (int j = 0; j < a.length; j++) {
                    dot += a[j][p] * b[j][q];
                }
                overlap += dot * dot;
            }
        }
        return Math.sqrt(Math.max(0, a[0].length + b[0].length - 2 * overlap));
    }
}
