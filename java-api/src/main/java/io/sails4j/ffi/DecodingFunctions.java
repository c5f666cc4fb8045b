package io.sails4j.ffi;

/** The section "decoding" of {@code sails.h}: one new token a sequence over a cache. */
public interface DecodingFunctions {
    @Symbol("sails_rope_append")
    void ropeAppend(long q, long keys, long values, long kSegment, long k, long v, long table, long qSegment, long keyPosition, long batch,
        long capacity, long nHeads, long nKvHeads, long headDim, int dtype);

    @Symbol("sails_attention_decode_workspace_bytes")
    long attentionDecodeWorkspaceBytes(long batch, long capacity, long nHeads, long nKvHeads, long headDim, long window, int dtype);

    @Symbol("sails_attention_decode")
    void attentionDecode(long out, long q, long keys, long values, long qSegment, long kSegment, long keyPosition, long batch,
        long capacity, long nHeads, long nKvHeads, long headDim, long window, float scale, float softcap, int dtype, long workspace,
        long workspaceBytes);

    @Symbol("sails_rope_append_paged")
    void ropeAppendPaged(long q, long keys, long values, long k, long v, long table, long positions, long pageTable, long batch,
        long nPages, long pageTokens, long tablePages, long nHeads, long nKvHeads, long headDim, int dtype);

    @Symbol("sails_attention_decode_paged_workspace_bytes")
    long attentionDecodePagedWorkspaceBytes(long batch, long pageTokens, long tablePages, long nHeads, long nKvHeads, long headDim,
        long window, int dtype);

    @Symbol("sails_attention_decode_paged")
    void attentionDecodePaged(long out, long q, long keys, long values, long positions, long pageTable, long batch, long nPages,
        long pageTokens, long tablePages, long nHeads, long nKvHeads, long headDim, long window, float scale, float softcap, int dtype,
        long workspace, long workspaceBytes);

    @Symbol("sails_decode_advance")
    void decodeAdvance(long history, long positions, long keyPosition, long step, long ids, long batch, long nSteps);
}
