package io.sails4j.adaptation;

import io.sails4j.InputException;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Random;
import org.ejml.data.DMatrixRMaj;
import org.ejml.dense.row.CommonOps_DDRM;
import org.ejml.dense.row.SingularOps_DDRM;
import org.ejml.dense.row.factory.DecompositionFactory_DDRM;
import org.ejml.interfaces.decomposition.QRDecomposition;
import org.ejml.interfaces.decomposition.SingularValueDecomposition_F64;

/**
 * The r leading singular triples of a weight by randomised subspace iteration (arXiv:0909.4061, algorithms 4.4 and 5.1): products with the
 * weight run on the device in F32, the small decompositions on the host in double.
 *
 * @param u left singular vectors [d_out, r]
 * @param values falling
 * @param v right singular vectors [d_in, r]
 */
record PrincipalFactors(DMatrixRMaj u, double[] values, DMatrixRMaj v) {
    private static final int OVERSAMPLING = 16;
    private static final int ITERATIONS = 8;

    static PrincipalFactors of(Tensor weight, int r, long seed, Engine engine) {
        int dOut = (int) weight.dim(0);
        int dIn = (int) weight.dim(1);
        if (r > Math.min(dOut, dIn)) {
            throw new InputException(
                "the LoRA rank is " + r + ", more than the " + Math.min(dOut, dIn) + " singular values of a weight of shape "
                    + weight.shape() + ", which the start 'pissa' takes them from");
        }
        int k = Math.min(r + OVERSAMPLING, Math.min(dOut, dIn));
        try (TensorArena memory = new TensorArena(engine.device())) {
            Tensor w = memory.allocate(DType.F32, dOut, dIn);
            engine.ops().elementwise().convert(w, weight);
            DMatrixRMaj q = orthonormal(product(w, normal(dIn, k, seed), false, memory, engine));
            for (int i = 0; i < ITERATIONS; i++) {
                DMatrixRMaj right = orthonormal(product(w, q, true, memory, engine));
                q = orthonormal(product(w, right, false, memory, engine));
            }
            return of(q, product(w, q, true, memory, engine), r);
        }
    }

    /** From an orthonormal q [d_out, k] that spans the leading left vectors, and W^T q [d_in, k]. */
    private static PrincipalFactors of(DMatrixRMaj q, DMatrixRMaj wtq, int r) {
        SingularValueDecomposition_F64<DMatrixRMaj> svd = DecompositionFactory_DDRM.svd(wtq.numRows, wtq.numCols, true, true, true);
        if (!svd.decompose(wtq.copy())) {
            throw new IllegalStateException(
                "the singular value decomposition of a matrix of " + wtq.numRows + " x " + wtq.numCols + " failed");
        }
        DMatrixRMaj right = svd.getU(null, false);
        DMatrixRMaj s = svd.getW(null);
        DMatrixRMaj small = svd.getV(null, false);
        SingularOps_DDRM.descendingOrder(right, false, s, small, false);
        DMatrixRMaj left = new DMatrixRMaj(q.numRows, small.numCols);
        CommonOps_DDRM.mult(q, small, left);
        double[] values = new double[r];
        DMatrixRMaj u = new DMatrixRMaj(q.numRows, r);
        DMatrixRMaj v = new DMatrixRMaj(wtq.numRows, r);
        for (int c = 0; c < r; c++) {
            values[c] = s.get(c, c);
            double sign = sign(left, c);
            for (int i = 0; i < u.numRows; i++) {
                u.set(i, c, sign * left.get(i, c));
            }
            for (int i = 0; i < v.numRows; i++) {
                v.set(i, c, sign * right.get(i, c));
            }
        }
        return new PrincipalFactors(u, values, v);
    }

    /** Singular vectors are known up to their sign: the largest entry of a left one is positive. */
    private static double sign(DMatrixRMaj left, int column) {
        double largest = 0;
        for (int i = 0; i < left.numRows; i++) {
            largest = Math.abs(left.get(i, column)) > Math.abs(largest) ? left.get(i, column) : largest;
        }
        return largest < 0 ? -1 : 1;
    }

    /** lora_B [d_out, r]: left vectors times the root of their values over the scale. */
    float[] left(double scale) {
        return scaled(u, scale, false);
    }

    /** lora_A [r, d_in] likewise. */
    float[] right(double scale) {
        return scaled(v, scale, true);
    }

    private float[] scaled(DMatrixRMaj vectors, double scale, boolean transposed) {
        int r = values.length;
        float[] out = new float[vectors.numRows * r];
        for (int i = 0; i < vectors.numRows; i++) {
            for (int c = 0; c < r; c++) {
                out[transposed ? c * vectors.numRows + i : i * r + c] = (float) (Math.sqrt(values[c] / scale) * vectors.get(i, c));
            }
        }
        return out;
    }

    private static DMatrixRMaj normal(int rows, int cols, long seed) {
        Random random = new Random(seed);
        DMatrixRMaj out = new DMatrixRMaj(rows, cols);
        for (int i = 0; i < out.data.length; i++) {
            out.data[i] = random.nextGaussian();
        }
        return out;
    }

    /** W x, or W^T x. */
    private static DMatrixRMaj product(Tensor w, DMatrixRMaj x, boolean transposed, TensorArena memory, Engine engine) {
        TensorArena.Mark mark = memory.mark();
        float[] values = new float[x.data.length];
        for (int i = 0; i < values.length; i++) {
            values[i] = (float) x.data[i];
        }
        Tensor y = memory.allocate(DType.F32, transposed ? w.dim(1) : w.dim(0), x.numCols);
        engine.ops().matmul().matmul(y, w, memory.of(values, x.numRows, x.numCols), transposed, false, 1, 0);
        float[] result = y.toFloatArray();
        DMatrixRMaj out = new DMatrixRMaj((int) y.dim(0), x.numCols);
        for (int i = 0; i < result.length; i++) {
            out.data[i] = result[i];
        }
        memory.release(mark);
        return out;
    }

    private static DMatrixRMaj orthonormal(DMatrixRMaj x) {
        QRDecomposition<DMatrixRMaj> qr = DecompositionFactory_DDRM.qr(x.numRows, x.numCols);
        if (!qr.decompose(x.copy())) {
            throw new IllegalStateException("the QR decomposition of a matrix of " + x.numRows + " x " + x.numCols + " failed");
        }
        return qr.getQ(null, true);
    }
}
