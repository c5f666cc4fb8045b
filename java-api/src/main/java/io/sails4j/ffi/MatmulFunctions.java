package io.sails4j.ffi;

/** The section "matmul" of {@code sails.h}: dense products. */
public interface MatmulFunctions {
    @Symbol("sails_matmul_workspace_bytes")
    long matmulWorkspaceBytes(long m, long n, long k, int cDtype, int abDtype, int transposeA, int transposeB);

    @Symbol("sails_matmul")
    void matmul(long c, long a, long b, long m, long n, long k, long ldc, long lda, long ldb, int cDtype, int abDtype, int transposeA,
        int transposeB, float alpha, float beta, long workspace, long workspaceBytes);
}
