package io.sails4j.ffi;

import static io.sails4j.ffi.Symbols.at;
import static io.sails4j.ffi.Symbols.link;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** The section "dense matmul" of {@code sails.h}; see {@link SailsH}. */
final class MatmulH {
    static final MethodHandle MATMUL_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT,
        JAVA_INT, JAVA_INT);
    static final MethodHandle MATMUL = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_INT, JAVA_FLOAT, JAVA_FLOAT, ADDRESS, JAVA_LONG);

    private final Symbols symbols;
    private final MemorySegment matmulWorkspaceBytes;
    private final MemorySegment matmul;

    MatmulH(Symbols symbols) {
        this.symbols = symbols;
        matmulWorkspaceBytes = symbols.find("sails_matmul_workspace_bytes");
        matmul = symbols.find("sails_matmul");
    }

    int matmulWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long m, long n, long k, int cDtype, int abDtype,
        int transposeA, int transposeB) {
        try {
            return (int) MATMUL_WORKSPACE_BYTES.invokeExact(matmulWorkspaceBytes, device, outBytes, m, n, k, cDtype, abDtype,
                transposeA, transposeB);
        } catch (Throwable e) {
            throw symbols.failure("sails_matmul_workspace_bytes", matmulWorkspaceBytes, e);
        }
    }

    int matmul(MemorySegment device, long c, long a, long b, long m, long n, long k, long ldc, long lda, long ldb, int cDtype,
        int abDtype, int transposeA, int transposeB, float alpha, float beta, long workspace, long workspaceBytes) {
        try {
            return (int) MATMUL.invokeExact(matmul, device, at(c), at(a), at(b), m, n, k, ldc, lda, ldb, cDtype, abDtype,
                transposeA, transposeB, alpha, beta, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_matmul", matmul, e);
        }
    }
}
