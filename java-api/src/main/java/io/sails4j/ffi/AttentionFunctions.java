package io.sails4j.ffi;

/** The section "attention" of {@code sails.h}: attention over whole sequences. */
public interface AttentionFunctions {
    @Symbol("sails_attention_forward_workspace_bytes")
    long attentionForwardWorkspaceBytes(long batch, long nQueries, long nKeys, long nHeads, long nKvHeads, long headDim, int dtype);

    @Symbol("sails_attention_forward")
    void attentionForward(long out, long lse, long q, long k, long v, long qSegment, long kSegment, long batch, long nQueries, long nKeys,
        long nHeads, long nKvHeads, long headDim, long kvBatchStride, long queryOffset, long window, float scale, float softcap, int dtype,
        long workspace, long workspaceBytes);

    @Symbol("sails_attention_backward_workspace_bytes")
    long attentionBackwardWorkspaceBytes(long batch, long nQueries, long nKeys, long nHeads, long nKvHeads, long headDim, int dtype);

    @Symbol("sails_attention_backward")
    void attentionBackward(long dq, long dk, long dv, long dout, long q, long k, long v, long out, long lse, long qSegment, long kSegment,
        long batch, long nQueries, long nKeys, long nHeads, long nKvHeads, long headDim, long kvBatchStride, long queryOffset, long window,
        float scale, float softcap, int dtype, long workspace, long workspaceBytes);
}
