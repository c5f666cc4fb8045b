package io.sails4j.subspace;

import java.util.Arrays;
import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.CommonOps_DDRM;
import org.ejml.dense.row.factory.DecompositionFactory_DDRM;
import org.ejml.interfaces.decomposition.QRDecomposition;
import org.ejml.interfaces.decomposition.SingularValueDecomposition_F64;

/** Angles between two subspaces (Knyazev, Argentati 2002): large ones from cosines, small ones from sines, which keep their digits. */
public final class PrincipalAngles {
    private PrincipalAngles() {
    }

    /**
     * The angles between two subspaces.
     *
     * @param a [d][p] columns span one subspace, of full rank
     * @param b [d][q] columns span the other
     * @return min(p, q) angles in radians, rising
     */
    public static double[] between(double[][] a, double[][] b) {
        DMatrixRMaj qa = orthonormal(a);
        DMatrixRMaj qb = orthonormal(b);
        if (qa.numCols < qb.numCols) {
            DMatrixRMaj swap = qa;
            qa = qb;
            qb = swap;
        }
        DMatrixRMaj product = new DMatrixRMaj(qa.numCols, qb.numCols);
        CommonOps_DDRM.multTransA(qa, qb, product);
        double[] cosines = singularValues(product.copy());
        // What of the smaller space lies outside the larger one: its singular values are the sines.
        DMatrixRMaj outside = qb.copy();
        CommonOps_DDRM.multAdd(-1, qa, product, outside);
        double[] sines = singularValues(outside);
        int n = qb.numCols;
        double[] angles = new double[n];
        for (int i = 0; i < n; i++) {
            double cosine = Math.min(1, cosines[n - 1 - i]);
            double sine = Math.min(1, sines[i]);
            angles[i] = cosine * cosine < 0.5 ? Math.acos(cosine) : Math.asin(sine);
        }
        Arrays.sort(angles);
        return angles;
    }

    private static DMatrixRMaj orthonormal(double[][] columns) {
        DMatrixRMaj matrix = new DMatrixRMaj(columns);
        QRDecomposition<DMatrixRMaj> qr = DecompositionFactory_DDRM.qr(matrix.numRows, matrix.numCols);
        qr.decompose(matrix);
        return qr.getQ(null, true);
    }

    /** Rising. */
    private static double[] singularValues(DMatrixRMaj matrix) {
        SingularValueDecomposition_F64<DMatrixRMaj> svd = DecompositionFactory_DDRM.svd(matrix.numRows, matrix.numCols, false, false, true);
        svd.decompose(matrix);
        double[] values = Arrays.copyOf(svd.getSingularValues(), Math.min(matrix.numRows, matrix.numCols));
        Arrays.sort(values);
        return values;
    }
}
