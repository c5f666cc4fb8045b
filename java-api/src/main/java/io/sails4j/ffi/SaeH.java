package io.sails4j.ffi;

import static io.sails4j.ffi.Symbols.at;
import static io.sails4j.ffi.Symbols.link;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** The section "sparse autoencoders" of {@code sails.h}; see {@link SailsH}. */
final class SaeH {
    static final MethodHandle SAE_ENCODE_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT,
        JAVA_LONG, JAVA_INT);
    static final MethodHandle SAE_ENCODE = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_LONG, JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle SAE_ENCODE_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle SAE_DECODE = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle SAE_DECODE_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle SAE_DENSIFY = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    static final MethodHandle SAE_ACCUMULATE = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG);
    static final MethodHandle SAE_STATISTICS_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_INT, JAVA_INT);
    static final MethodHandle SAE_STATISTICS = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle STANDARDIZE_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG,
        JAVA_FLOAT);
    static final MethodHandle STANDARDIZE_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        JAVA_LONG, JAVA_LONG, JAVA_FLOAT);
    static final MethodHandle UNSTANDARDIZE_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG);
    static final MethodHandle UNSTANDARDIZE_BACKWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        JAVA_LONG, JAVA_LONG);

    private final Symbols symbols;
    private final MemorySegment saeEncodeWorkspaceBytes;
    private final MemorySegment saeEncode;
    private final MemorySegment saeEncodeBackward;
    private final MemorySegment saeDecode;
    private final MemorySegment saeDecodeBackward;
    private final MemorySegment saeDensify;
    private final MemorySegment saeAccumulate;
    private final MemorySegment saeStatisticsWorkspaceBytes;
    private final MemorySegment saeStatistics;
    private final MemorySegment standardizeForward;
    private final MemorySegment standardizeBackward;
    private final MemorySegment unstandardizeForward;
    private final MemorySegment unstandardizeBackward;

    SaeH(Symbols symbols) {
        this.symbols = symbols;
        saeEncodeWorkspaceBytes = symbols.find("sails_sae_encode_workspace_bytes");
        saeEncode = symbols.find("sails_sae_encode");
        saeEncodeBackward = symbols.find("sails_sae_encode_backward");
        saeDecode = symbols.find("sails_sae_decode");
        saeDecodeBackward = symbols.find("sails_sae_decode_backward");
        saeDensify = symbols.find("sails_sae_densify");
        saeAccumulate = symbols.find("sails_sae_accumulate");
        saeStatisticsWorkspaceBytes = symbols.find("sails_sae_statistics_workspace_bytes");
        saeStatistics = symbols.find("sails_sae_statistics");
        standardizeForward = symbols.find("sails_standardize_forward");
        standardizeBackward = symbols.find("sails_standardize_backward");
        unstandardizeForward = symbols.find("sails_unstandardize_forward");
        unstandardizeBackward = symbols.find("sails_unstandardize_backward");
    }

    int saeEncodeWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long nTokens, long dIn, long dSae, int activation,
        long k, int dtype) {
        try {
            return (int) SAE_ENCODE_WORKSPACE_BYTES.invokeExact(saeEncodeWorkspaceBytes, device, outBytes, nTokens, dIn, dSae,
                activation, k, dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_sae_encode_workspace_bytes", saeEncodeWorkspaceBytes, e);
        }
    }

    int saeEncode(MemorySegment device, long indices, long values, long counts, long x, long wEnc, long bias, long threshold,
        long scale, long gateBias, long nTokens, long dIn, long dSae, long capacity, int activation, long k, int dtype,
        long workspace, long workspaceBytes) {
        try {
            return (int) SAE_ENCODE.invokeExact(saeEncode, device, at(indices), at(values), at(counts), at(x), at(wEnc), at(bias),
                at(threshold), at(scale), at(gateBias), nTokens, dIn, dSae, capacity, activation, k, dtype, at(workspace),
                workspaceBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_sae_encode", saeEncode, e);
        }
    }

    int saeEncodeBackward(MemorySegment device, long dx, long dvalues, long indices, long counts, long wEnc, long scale,
        long nTokens, long dIn, long dSae, long capacity, int dtype) {
        try {
            return (int) SAE_ENCODE_BACKWARD.invokeExact(saeEncodeBackward, device, at(dx), at(dvalues), at(indices), at(counts),
                at(wEnc), at(scale), nTokens, dIn, dSae, capacity, dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_sae_encode_backward", saeEncodeBackward, e);
        }
    }

    int saeDecode(MemorySegment device, long recon, long indices, long values, long counts, long wDec, long bias, long scale,
        long nTokens, long dIn, long dSae, long capacity, int dtype) {
        try {
            return (int) SAE_DECODE.invokeExact(saeDecode, device, at(recon), at(indices), at(values), at(counts), at(wDec),
                at(bias), at(scale), nTokens, dIn, dSae, capacity, dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_sae_decode", saeDecode, e);
        }
    }

    int saeDecodeBackward(MemorySegment device, long dvalues, long drecon, long indices, long counts, long wDec, long scale,
        long nTokens, long dIn, long dSae, long capacity, int dtype) {
        try {
            return (int) SAE_DECODE_BACKWARD.invokeExact(saeDecodeBackward, device, at(dvalues), at(drecon), at(indices),
                at(counts), at(wDec), at(scale), nTokens, dIn, dSae, capacity, dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_sae_decode_backward", saeDecodeBackward, e);
        }
    }

    int saeDensify(MemorySegment device, long acts, long indices, long values, long counts, long nTokens, long dSae,
        long capacity) {
        try {
            return (int) SAE_DENSIFY.invokeExact(saeDensify, device, at(acts), at(indices), at(values), at(counts), nTokens, dSae,
                capacity);
        } catch (Throwable e) {
            throw symbols.failure("sails_sae_densify", saeDensify, e);
        }
    }

    int saeAccumulate(MemorySegment device, long sum, long active, long indices, long values, long counts, long tokenClass,
        long tokenWeight, long nTokens, long dSae, long capacity, long nClasses) {
        try {
            return (int) SAE_ACCUMULATE.invokeExact(saeAccumulate, device, at(sum), at(active), at(indices), at(values),
                at(counts), at(tokenClass), at(tokenWeight), nTokens, dSae, capacity, nClasses);
        } catch (Throwable e) {
            throw symbols.failure("sails_sae_accumulate", saeAccumulate, e);
        }
    }

    int saeStatisticsWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long nTokens, long dIn, long dSae, long nClasses,
        int activation, int dtype) {
        try {
            return (int) SAE_STATISTICS_WORKSPACE_BYTES.invokeExact(saeStatisticsWorkspaceBytes, device, outBytes, nTokens, dIn,
                dSae, nClasses, activation, dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_sae_statistics_workspace_bytes", saeStatisticsWorkspaceBytes, e);
        }
    }

    int saeStatistics(MemorySegment device, long sum, long sumSquares, long active, long x, long wEnc, long bias, long threshold,
        long scale, long gateBias, long tokenClass, long tokenWeight, long nTokens, long dIn, long dSae, long nClasses, int
        activation, int dtype, long workspace, long workspaceBytes) {
        try {
            return (int) SAE_STATISTICS.invokeExact(saeStatistics, device, at(sum), at(sumSquares), at(active), at(x), at(wEnc),
                at(bias), at(threshold), at(scale), at(gateBias), at(tokenClass), at(tokenWeight), nTokens, dIn, dSae, nClasses,
                activation, dtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_sae_statistics", saeStatistics, e);
        }
    }

    int standardizeForward(MemorySegment device, long y, long mean, long std, long x, long nRows, long nCols, float eps) {
        try {
            return (int) STANDARDIZE_FORWARD.invokeExact(standardizeForward, device, at(y), at(mean), at(std), at(x), nRows,
                nCols, eps);
        } catch (Throwable e) {
            throw symbols.failure("sails_standardize_forward", standardizeForward, e);
        }
    }

    int standardizeBackward(MemorySegment device, long dx, long dy, long dmean, long dstd, long x, long mean, long std,
        long nRows, long nCols, float eps) {
        try {
            return (int) STANDARDIZE_BACKWARD.invokeExact(standardizeBackward, device, at(dx), at(dy), at(dmean), at(dstd), at(x),
                at(mean), at(std), nRows, nCols, eps);
        } catch (Throwable e) {
            throw symbols.failure("sails_standardize_backward", standardizeBackward, e);
        }
    }

    int unstandardizeForward(MemorySegment device, long y, long x, long mean, long std, long nRows, long nCols) {
        try {
            return (int) UNSTANDARDIZE_FORWARD.invokeExact(unstandardizeForward, device, at(y), at(x), at(mean), at(std), nRows,
                nCols);
        } catch (Throwable e) {
            throw symbols.failure("sails_unstandardize_forward", unstandardizeForward, e);
        }
    }

    int unstandardizeBackward(MemorySegment device, long dx, long dmean, long dstd, long dy, long x, long std, long nRows,
        long nCols) {
        try {
            return (int) UNSTANDARDIZE_BACKWARD.invokeExact(unstandardizeBackward, device, at(dx), at(dmean), at(dstd), at(dy),
                at(x), at(std), nRows, nCols);
        } catch (Throwable e) {
            throw symbols.failure("sails_unstandardize_backward", unstandardizeBackward, e);
        }
    }
}
