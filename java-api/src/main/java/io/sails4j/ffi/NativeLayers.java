package io.sails4j.ffi;

/** The section "transformer layers" of {@code sails.h} on a device; see {@link NativeDevice}. */
public final class NativeLayers {
    private final NativeDevice device;
    private final LayersH api;

    NativeLayers(NativeDevice device, LayersH api) {
        this.device = device;
        this.api = api;
    }

    public void embeddingForward(long y, long ids, long table, long nTokens, long vocab, long dModel, float scale,
        int yDtype, int tableDtype) {
        device.run("sails_embedding_forward", handle -> api.embeddingForward(handle, y, ids, table, nTokens, vocab, dModel, scale, yDtype,
            tableDtype));
    }

    public void embeddingBackward(long dtable, long dy, long ids, long nTokens, long vocab, long dModel,
        float scale) {
        device.run("sails_embedding_backward", handle -> api.embeddingBackward(handle, dtable, dy, ids, nTokens, vocab, dModel, scale));
    }

    public void rmsnormForward(long y, long rstd, long x, long weight, long residual, long nRows, long d, float eps,
        float weightOffset, int yDtype, int xDtype) {
        device.run("sails_rmsnorm_forward", handle -> api.rmsnormForward(handle, y, rstd, x, weight, residual, nRows, d, eps, weightOffset, yDtype,
            xDtype));
    }

    public long rmsnormBackwardWorkspaceBytes(long nRows, long d) {
        return device.size("sails_rmsnorm_backward_workspace_bytes", (handle, out) -> api.rmsnormBackwardWorkspaceBytes(handle, out, nRows, d));
    }

    public void rmsnormBackward(long dx, long dweight, long dy, long x, long weight, long rstd, long nRows, long d,
        float weightOffset, int accumulateDx, int dyDtype, int xDtype, long workspace, long workspaceBytes) {
        device.run("sails_rmsnorm_backward", handle -> api.rmsnormBackward(handle, dx, dweight, dy, x, weight, rstd, nRows, d, weightOffset,
            accumulateDx, dyDtype, xDtype, workspace, workspaceBytes));
    }

    public void ropeTable(long table, long positions, long invFreq, long nTokens, long headDim) {
        device.run("sails_rope_table", handle -> api.ropeTable(handle, table, positions, invFreq, nTokens, headDim));
    }

    public void rope(long y, long x, long table, long nTokens, long nHeads, long headDim, int inverse, int dtype) {
        device.run("sails_rope", handle -> api.rope(handle, y, x, table, nTokens, nHeads, headDim, inverse, dtype));
    }

    public long attentionForwardWorkspaceBytes(long batch, long nQueries, long nKeys, long nHeads, long nKvHeads,
        long headDim, int dtype) {
        return device.size("sails_attention_forward_workspace_bytes", (handle, out) -> api.attentionForwardWorkspaceBytes(handle, out, batch,
            nQueries, nKeys, nHeads, nKvHeads, headDim, dtype));
    }

    public void attentionForward(long out, long lse, long q, long k, long v, long qSegment, long kSegment,
        long batch, long nQueries, long nKeys, long nHeads, long nKvHeads, long headDim, long kvBatchStride, long queryOffset,
        long window, float scale, float softcap, int dtype, long workspace, long workspaceBytes) {
        device.run("sails_attention_forward", handle -> api.attentionForward(handle, out, lse, q, k, v, qSegment, kSegment, batch, nQueries,
            nKeys, nHeads, nKvHeads, headDim, kvBatchStride, queryOffset, window, scale, softcap, dtype, workspace,
            workspaceBytes));
    }

    public long attentionBackwardWorkspaceBytes(long batch, long nQueries, long nKeys, long nHeads, long nKvHeads,
        long headDim, int dtype) {
        return device.size("sails_attention_backward_workspace_bytes", (handle, out) -> api.attentionBackwardWorkspaceBytes(handle, out, batch,
            nQueries, nKeys, nHeads, nKvHeads, headDim, dtype));
    }

    public void attentionBackward(long dq, long dk, long dv, long dout, long q, long k, long v, long out, long lse,
        long qSegment, long kSegment, long batch, long nQueries, long nKeys, long nHeads, long nKvHeads, long headDim,
        long kvBatchStride, long queryOffset, long window, float scale, float softcap, int dtype, long workspace,
        long workspaceBytes) {
        device.run("sails_attention_backward", handle -> api.attentionBackward(handle, dq, dk, dv, dout, q, k, v, out, lse, qSegment, kSegment,
            batch, nQueries, nKeys, nHeads, nKvHeads, headDim, kvBatchStride, queryOffset, window, scale, softcap, dtype,
            workspace, workspaceBytes));
    }

    public void gluForward(long y, long gate, long up, long n, int activation, int dtype) {
        device.run("sails_glu_forward", handle -> api.gluForward(handle, y, gate, up, n, activation, dtype));
    }

    public void gluBackward(long dgate, long dup, long dy, long gate, long up, long n, int activation, int dtype) {
        device.run("sails_glu_backward", handle -> api.gluBackward(handle, dgate, dup, dy, gate, up, n, activation, dtype));
    }

    public void softcapForward(long y, long x, long n, float cap) {
        device.run("sails_softcap_forward", handle -> api.softcapForward(handle, y, x, n, cap));
    }

    public void softcapBackward(long dx, long dy, long y, long n, float cap) {
        device.run("sails_softcap_backward", handle -> api.softcapBackward(handle, dx, dy, y, n, cap));
    }

    public void crossEntropy(long tokenLoss, long dlogits, long logits, long targets, long tokenWeight, long nTokens,
        long vocab) {
        device.run("sails_cross_entropy", handle -> api.crossEntropy(handle, tokenLoss, dlogits, logits, targets, tokenWeight, nTokens,
            vocab));
    }

    public long headLossWorkspaceBytes(long nTokens, long dModel, long vocab, int dtype) {
        return device.size("sails_head_loss_workspace_bytes", (handle, out) -> api.headLossWorkspaceBytes(handle, out, nTokens, dModel, vocab,
            dtype));
    }

    public void headLoss(long tokenLoss, long dhidden, long dembed, long hidden, long embed, long targets,
        long tokenWeight, long nTokens, long dModel, long vocab, float softcap, int dtype, long workspace, long workspaceBytes) {
        device.run("sails_head_loss", handle -> api.headLoss(handle, tokenLoss, dhidden, dembed, hidden, embed, targets, tokenWeight, nTokens,
            dModel, vocab, softcap, dtype, workspace, workspaceBytes));
    }

    public void preferenceLoss(long results, long tokenWeight, long tokenLoss, long targets, long starts, long ends,
        long reference, long nPairs, long nTokens, int kind, double strength, double lossScale) {
        device.run("sails_preference_loss", handle -> api.preferenceLoss(handle, results, tokenWeight, tokenLoss, targets, starts, ends,
            reference, nPairs, nTokens, kind, strength, lossScale));
    }

    public long sampleWorkspaceBytes(long nRows, long vocab) {
        return device.size("sails_sample_workspace_bytes", (handle, out) -> api.sampleWorkspaceBytes(handle, out, nRows, vocab));
    }

    public void sample(long ids, long logits, long uniform, long nRows, long vocab, float temperature, long topK,
        float topP, long workspace, long workspaceBytes) {
        device.run("sails_sample", handle -> api.sample(handle, ids, logits, uniform, nRows, vocab, temperature, topK, topP, workspace,
            workspaceBytes));
    }
}
