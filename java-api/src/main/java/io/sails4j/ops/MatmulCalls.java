package io.sails4j.ops;

import static io.sails4j.ops.Call.F32_OR_BF16;
import static io.sails4j.ops.Call.code;
import static io.sails4j.ops.Call.flag;
import static io.sails4j.tensor.DType.BF16;
import static io.sails4j.tensor.DType.F32;

import io.sails4j.ffi.NativeDevice;
import io.sails4j.ffi.NativeMatmul;
import io.sails4j.tensor.Tensor;

/** The operations of {@link Ops} in the section "dense matmul" of {@code sails.h}. */
final class MatmulCalls {
    private final NativeMatmul api;
    private final Workspace workspace;

    MatmulCalls(NativeDevice device, Workspace workspace) {
        this.api = device.matmul();
        this.workspace = workspace;
    }

    void matmul(Call call, Tensor c, Tensor a, Tensor b, boolean transposeA, boolean transposeB, float alpha, float beta) {
        long aRows = call.rows("a", a);
        long aCols = call.cols("a", a);
        long bRows = call.rows("b", b);
        long bCols = call.cols("b", b);
        long m = transposeA ? aCols : aRows;
        long k = transposeA ? aRows : aCols;
        long n = transposeB ? bRows : bCols;
        call.require((transposeB ? bCols : bRows) == k, "a " + a.shape() + transposed(transposeA) + " and b " + b.shape()
            + transposed(transposeB) + " do not agree in the inner size");
        call.sameType("b", b, "a", a);
        long cAddress = a.dtype() == BF16 ? call.matrix("c", c, m, n, F32_OR_BF16) : call.matrix("c", c, m, n, F32);
        long aAddress = call.address("a", a, F32_OR_BF16);
        long bAddress = call.address("b", b, F32_OR_BF16);
        synchronized (workspace) {
            long bytes = api.matmulWorkspaceBytes(m, n, k, code(c), code(a), flag(transposeA), flag(transposeB));
            api.matmul(cAddress, aAddress, bAddress, m, n, k, n, aCols, bCols, code(c), code(a), flag(transposeA),
                flag(transposeB), alpha, beta, workspace.atLeast(bytes), bytes);
        }
    }

    private static String transposed(boolean transpose) {
        return transpose ? " transposed" : "";
    }
}
