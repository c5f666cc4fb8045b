package io.sails4j.ffi;

/** The section "dense matmul" of {@code sails.h} on a device; see {@link NativeDevice}. */
public final class NativeMatmul {
    private final NativeDevice device;
    private final MatmulH api;

    NativeMatmul(NativeDevice device, MatmulH api) {
        this.device = device;
        this.api = api;
    }

    public long matmulWorkspaceBytes(long m, long n, long k, int cDtype, int abDtype, int transposeA,
        int transposeB) {
        return device.size("sails_matmul_workspace_bytes", (handle, out) -> api.matmulWorkspaceBytes(handle, out, m, n, k, cDtype, abDtype,
            transposeA, transposeB));
    }

    public void matmul(long c, long a, long b, long m, long n, long k, long ldc, long lda, long ldb, int cDtype,
        int abDtype, int transposeA, int transposeB, float alpha, float beta, long workspace, long workspaceBytes) {
        device.run("sails_matmul", handle -> api.matmul(handle, c, a, b, m, n, k, ldc, lda, ldb, cDtype, abDtype, transposeA, transposeB,
            alpha, beta, workspace, workspaceBytes));
    }
}
