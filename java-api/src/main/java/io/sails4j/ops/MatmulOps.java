package io.sails4j.ops;

import static io.sails4j.ops.Call.F32_OR_BF16;
import static io.sails4j.ops.Call.code;
import static io.sails4j.ops.Call.flag;
import static io.sails4j.tensor.DType.BF16;
import static io.sails4j.tensor.DType.F32;

import io.sails4j.ffi.MatmulFunctions;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Tensor;

/** The section "matmul" of {@code sails.h}: dense products. See {@link Ops}. */
public final class MatmulOps {
    private static final DType[] F32_ALONE = {F32};

    private final Device device;
    private final MatmulFunctions api;
    private final Workspace workspace;

    MatmulOps(Device device, MatmulFunctions api, Workspace workspace) {
        this.device = device;
        this.api = api;
        this.workspace = workspace;
    }

    /**
     * c [m, n] = alpha * op(a) op(b) + beta * c. a and b of one type, F32 or BF16; c F32, or BF16 where they are. Of tensors with more
     * than two sizes all but the last are rows. beta 0 does not read c.
     */
    public void matmul(Tensor c, Tensor a, Tensor b, boolean transposeA, boolean transposeB, float alpha, float beta) {
        try (Call call = new Call(device, "matmul")) {
            long aRows = call.rows("a", a);
            long aCols = call.cols("a", a);
            long bRows = call.rows("b", b);
            long bCols = call.cols("b", b);
            long m = transposeA ? aCols : aRows;
            long k = transposeA ? aRows : aCols;
            long n = transposeB ? bRows : bCols;
            call.require((transposeB ? bCols : bRows) == k, () -> "a " + a.shape() + transposed(transposeA) + " and b " + b.shape()
                + transposed(transposeB) + " do not agree in the inner size");
            call.sameType("b", b, "a", a);
            long cAddress = call.matrix("c", c, m, n, productTypes(a));
            long aAddress = call.address("a", a, F32_OR_BF16);
            long bAddress = call.address("b", b, F32_OR_BF16);
            multiply(cAddress, aAddress, bAddress, MatmulShape.dense(m, n, k, transposeA, transposeB), code(c), code(a), alpha, beta);
        }
    }

    /** The same of matrices that lie inside wider ones: c, a and b in any shape that holds what {@code shape} needs of them. */
    public void matmul(Tensor c, Tensor a, Tensor b, MatmulShape shape, float alpha, float beta) {
        try (Call call = new Call(device, "matmul")) {
            call.sameType("b", b, "a", a);
            long cAddress = call.atLeast("c", c, shape.minCElements(), productTypes(a));
            long aAddress = call.atLeast("a", a, shape.minAElements(), F32_OR_BF16);
            long bAddress = call.atLeast("b", b, shape.minBElements(), F32_OR_BF16);
            multiply(cAddress, aAddress, bAddress, shape, code(c), code(a), alpha, beta);
        }
    }

    private void multiply(long c, long a, long b, MatmulShape s, int cCode, int abCode, float alpha, float beta) {
        int transposeA = flag(s.transposeA());
        int transposeB = flag(s.transposeB());
        synchronized (workspace) {
            long bytes = api.matmulWorkspaceBytes(s.m(), s.n(), s.k(), cCode, abCode, transposeA, transposeB);
            api.matmul(c, a, b, s.m(), s.n(), s.k(), s.ldc(), s.lda(), s.ldb(), cCode, abCode, transposeA, transposeB, alpha, beta,
                workspace.atLeast(bytes), bytes);
        }
    }

    private static DType[] productTypes(Tensor a) {
        return a.dtype() == BF16 ? F32_OR_BF16 : F32_ALONE;
    }

    private static String transposed(boolean transpose) {
        return transpose ? " transposed" : "";
    }
}
