package io.sails4j.ffi;

import static io.sails4j.ffi.NativeDevice.requireSameLength;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;

/** The section "decoding: one new token a sequence" of {@code sails.h} on a device; see {@link NativeDevice}. */
public final class NativeDecoding {
    private final NativeDevice device;
    private final DecodingH api;

    NativeDecoding(NativeDevice device, DecodingH api) {
        this.device = device;
        this.api = api;
    }

    public long linearSetForwardWorkspaceBytes(long[] dOut, long[] r, long n, long dIn, int yDtype, int dtype) {
        requireSameLength(dOut, r);
        try (Arena call = Arena.ofConfined()) {
            return device.size("sails_linear_set_forward_workspace_bytes", (handle, out) -> api.linearSetForwardWorkspaceBytes(handle, out,
                call.allocateFrom(JAVA_LONG, dOut), call.allocateFrom(JAVA_LONG, r), r.length, n, dIn, yDtype, dtype));
        }
    }

    public void linearSetForward(long[] ys, long x, long[] weights, long[] loraAs, long[] loraBs, long[] dOut, long[] r,
        float[] scale, long n, long dIn, int yDtype, int dtype, long workspace, long workspaceBytes) {
        requireSameLength(ys, weights, loraAs, loraBs, dOut, r, new long[scale.length]);
        try (Arena call = Arena.ofConfined()) {
            device.run("sails_linear_set_forward", handle -> api.linearSetForward(handle, call.allocateFrom(JAVA_LONG, ys), x,
                call.allocateFrom(JAVA_LONG, weights), call.allocateFrom(JAVA_LONG, loraAs), call.allocateFrom(JAVA_LONG, loraBs),
                call.allocateFrom(JAVA_LONG, dOut), call.allocateFrom(JAVA_LONG, r), call.allocateFrom(JAVA_FLOAT, scale), ys.length, n,
                dIn, yDtype, dtype, workspace, workspaceBytes));
        }
    }

    public long linearGluForwardWorkspaceBytes(long n, long dIn, long dOut, long gateR, long upR, int dtype) {
        return device.size("sails_linear_glu_forward_workspace_bytes", (handle, out) -> api.linearGluForwardWorkspaceBytes(handle, out, n, dIn,
            dOut, gateR, upR, dtype));
    }

    public void linearGluForward(long y, long gate, long up, long gateH, long upH, long x, long gateWeight,
        long upWeight, long gateLoraA, long gateLoraB, long upLoraA, long upLoraB, long n, long dIn, long dOut, long gateR, long upR, float gateScale, float upScale,
        int activation, int dtype, long workspace, long workspaceBytes) {
        device.run("sails_linear_glu_forward", handle -> api.linearGluForward(handle, y, gate, up, gateH, upH, x, gateWeight, upWeight,
            gateLoraA, gateLoraB, upLoraA, upLoraB, n, dIn, dOut, gateR, upR, gateScale, upScale, activation, dtype, workspace, workspaceBytes));
    }

    public void residualNormForward(long out, long y, long x, long xWeight, long residual, long yWeight,
        long nRows, long d, float eps, float weightOffset, int yDtype) {
        device.run("sails_residual_norm_forward", handle -> api.residualNormForward(handle, out, y, x, xWeight, residual, yWeight, nRows, d,
            eps, weightOffset, yDtype));
    }

    public void ropeAppend(long q, long keys, long values, long kSegment, long k, long v, long table,
        long qSegment, long keyPosition, long batch, long capacity, long nHeads, long nKvHeads, long headDim, int dtype) {
        device.run("sails_rope_append", handle -> api.ropeAppend(handle, q, keys, values, kSegment, k, v, table, qSegment, keyPosition,
            batch, capacity, nHeads, nKvHeads, headDim, dtype));
    }

    public long attentionDecodeWorkspaceBytes(long batch, long capacity, long nHeads, long nKvHeads, long headDim,
        long window, int dtype) {
        return device.size("sails_attention_decode_workspace_bytes", (handle, out) -> api.attentionDecodeWorkspaceBytes(handle, out, batch,
            capacity, nHeads, nKvHeads, headDim, window, dtype));
    }

    public void attentionDecode(long out, long q, long keys, long values, long qSegment, long kSegment,
        long keyPosition, long batch, long capacity, long nHeads, long nKvHeads, long headDim, long window, float scale,
        float softcap, int dtype, long workspace, long workspaceBytes) {
        device.run("sails_attention_decode", handle -> api.attentionDecode(handle, out, q, keys, values, qSegment, kSegment, keyPosition,
            batch, capacity, nHeads, nKvHeads, headDim, window, scale, softcap, dtype, workspace, workspaceBytes));
    }

    public void decodeAdvance(long history, long positions, long keyPosition, long step, long ids, long batch,
        long nSteps) {
        device.run("sails_decode_advance", handle -> api.decodeAdvance(handle, history, positions, keyPosition, step, ids, batch, nSteps));
    }
}
