package io.sails4j.ffi;

import static io.sails4j.ffi.Symbols.at;
import static io.sails4j.ffi.Symbols.link;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** The section "decoding: one new token a sequence" of {@code sails.h}; see {@link SailsH}. */
final class DecodingH {
    static final MethodHandle LINEAR_SET_FORWARD_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT);
    static final MethodHandle LINEAR_SET_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT, JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle LINEAR_GLU_FORWARD_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle LINEAR_GLU_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_FLOAT, JAVA_INT, JAVA_INT, ADDRESS,
        JAVA_LONG);
    static final MethodHandle RESIDUAL_NORM_FORWARD = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_FLOAT, JAVA_INT);
    static final MethodHandle ROPE_APPEND = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle ATTENTION_DECODE_WORKSPACE_BYTES = link(ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG,
        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle ATTENTION_DECODE = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS,
        JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_FLOAT, JAVA_INT, ADDRESS, JAVA_LONG);
    static final MethodHandle DECODE_ADVANCE = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG);

    private final Symbols symbols;
    private final MemorySegment linearSetForwardWorkspaceBytes;
    private final MemorySegment linearSetForward;
    private final MemorySegment linearGluForwardWorkspaceBytes;
    private final MemorySegment linearGluForward;
    private final MemorySegment residualNormForward;
    private final MemorySegment ropeAppend;
    private final MemorySegment attentionDecodeWorkspaceBytes;
    private final MemorySegment attentionDecode;
    private final MemorySegment decodeAdvance;

    DecodingH(Symbols symbols) {
        this.symbols = symbols;
        linearSetForwardWorkspaceBytes = symbols.find("sails_linear_set_forward_workspace_bytes");
        linearSetForward = symbols.find("sails_linear_set_forward");
        linearGluForwardWorkspaceBytes = symbols.find("sails_linear_glu_forward_workspace_bytes");
        linearGluForward = symbols.find("sails_linear_glu_forward");
        residualNormForward = symbols.find("sails_residual_norm_forward");
        ropeAppend = symbols.find("sails_rope_append");
        attentionDecodeWorkspaceBytes = symbols.find("sails_attention_decode_workspace_bytes");
        attentionDecode = symbols.find("sails_attention_decode");
        decodeAdvance = symbols.find("sails_decode_advance");
    }

    int linearSetForwardWorkspaceBytes(MemorySegment device, MemorySegment outBytes, MemorySegment dOut, MemorySegment r,
        long count, long n, long dIn, int yDtype, int dtype) {
        try {
            return (int) LINEAR_SET_FORWARD_WORKSPACE_BYTES.invokeExact(linearSetForwardWorkspaceBytes, device, outBytes, dOut,
                r, count, n, dIn, yDtype, dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_linear_set_forward_workspace_bytes", linearSetForwardWorkspaceBytes, e);
        }
    }

    int linearSetForward(MemorySegment device, MemorySegment ys, long x, MemorySegment weights, MemorySegment loraAs,
        MemorySegment loraBs, MemorySegment dOut, MemorySegment r, MemorySegment scale, long count, long n, long dIn,
        int yDtype, int dtype, long workspace, long workspaceBytes) {
        try {
            return (int) LINEAR_SET_FORWARD.invokeExact(linearSetForward, device, ys, at(x), weights, loraAs, loraBs, dOut, r,
                scale, count, n, dIn, yDtype, dtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_linear_set_forward", linearSetForward, e);
        }
    }

    int linearGluForwardWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long n, long dIn, long dOut, long gateR,
        long upR, int dtype) {
        try {
            return (int) LINEAR_GLU_FORWARD_WORKSPACE_BYTES.invokeExact(linearGluForwardWorkspaceBytes, device, outBytes, n,
                dIn, dOut, gateR, upR, dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_linear_glu_forward_workspace_bytes", linearGluForwardWorkspaceBytes, e);
        }
    }

    int linearGluForward(MemorySegment device, long y, long gate, long up, long gateH, long upH, long x, long gateWeight,
        long upWeight, long gateLoraA, long gateLoraB, long upLoraA, long upLoraB, long n, long dIn, long dOut, long gateR, long upR, float gateScale, float upScale,
        int activation, int dtype, long workspace, long workspaceBytes) {
        try {
            return (int) LINEAR_GLU_FORWARD.invokeExact(linearGluForward, device, at(y), at(gate), at(up), at(gateH), at(upH), at(x),
                at(gateWeight), at(upWeight), at(gateLoraA), at(gateLoraB), at(upLoraA), at(upLoraB), n, dIn, dOut, gateR, upR, gateScale, upScale,
                activation, dtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_linear_glu_forward", linearGluForward, e);
        }
    }

    int residualNormForward(MemorySegment device, long out, long y, long x, long xWeight, long residual, long yWeight,
        long nRows, long d, float eps, float weightOffset, int yDtype) {
        try {
            return (int) RESIDUAL_NORM_FORWARD.invokeExact(residualNormForward, device, at(out), at(y), at(x), at(xWeight),
                at(residual), at(yWeight), nRows, d, eps, weightOffset, yDtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_residual_norm_forward", residualNormForward, e);
        }
    }

    int ropeAppend(MemorySegment device, long q, long keys, long values, long kSegment, long k, long v, long table,
        long qSegment, long keyPosition, long batch, long capacity, long nHeads, long nKvHeads, long headDim, int dtype) {
        try {
            return (int) ROPE_APPEND.invokeExact(ropeAppend, device, at(q), at(keys), at(values), at(kSegment), at(k), at(v),
                at(table), at(qSegment), at(keyPosition), batch, capacity, nHeads, nKvHeads, headDim, dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_rope_append", ropeAppend, e);
        }
    }

    int attentionDecodeWorkspaceBytes(MemorySegment device, MemorySegment outBytes, long batch, long capacity, long nHeads,
        long nKvHeads, long headDim, long window, int dtype) {
        try {
            return (int) ATTENTION_DECODE_WORKSPACE_BYTES.invokeExact(attentionDecodeWorkspaceBytes, device, outBytes, batch,
                capacity, nHeads, nKvHeads, headDim, window, dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_attention_decode_workspace_bytes", attentionDecodeWorkspaceBytes, e);
        }
    }

    int attentionDecode(MemorySegment device, long out, long q, long keys, long values, long qSegment, long kSegment,
        long keyPosition, long batch, long capacity, long nHeads, long nKvHeads, long headDim, long window, float scale,
        float softcap, int dtype, long workspace, long workspaceBytes) {
        try {
            return (int) ATTENTION_DECODE.invokeExact(attentionDecode, device, at(out), at(q), at(keys), at(values),
                at(qSegment), at(kSegment), at(keyPosition), batch, capacity, nHeads, nKvHeads, headDim, window, scale, softcap,
                dtype, at(workspace), workspaceBytes);
        } catch (Throwable e) {
            throw symbols.failure("sails_attention_decode", attentionDecode, e);
        }
    }

    int decodeAdvance(MemorySegment device, long history, long positions, long keyPosition, long step, long ids, long batch,
        long nSteps) {
        try {
            return (int) DECODE_ADVANCE.invokeExact(decodeAdvance, device, at(history), at(positions), at(keyPosition),
                at(step), at(ids), batch, nSteps);
        } catch (Throwable e) {
            throw symbols.failure("sails_decode_advance", decodeAdvance, e);
        }
    }
}
