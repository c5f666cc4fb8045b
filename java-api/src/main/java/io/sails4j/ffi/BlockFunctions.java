package io.sails4j.ffi;

/**
 * The section "block" of {@code sails.h}: what a transformer block does beside maps and attention: embedding, norms, rotary positions,
 * gates.
 */
public interface BlockFunctions {
    @Symbol("sails_embedding_forward")
    void embeddingForward(long y, long ids, long table, long nTokens, long vocab, long dModel, float scale, int yDtype, int tableDtype);

    @Symbol("sails_embedding_backward")
    void embeddingBackward(long dtable, long dy, long ids, long nTokens, long vocab, long dModel, float scale);

    @Symbol("sails_rmsnorm_forward")
    void rmsnormForward(long y, long rstd, long x, long weight, long residual, long nRows, long d, float eps, float weightOffset,
        int yDtype, int xDtype);

    @Symbol("sails_rmsnorm_backward_workspace_bytes")
    long rmsnormBackwardWorkspaceBytes(long nRows, long d);

    @Symbol("sails_rmsnorm_backward")
    void rmsnormBackward(long dx, long dweight, long dy, long x, long weight, long rstd, long nRows, long d, float weightOffset,
        int accumulateDx, int dyDtype, int xDtype, long workspace, long workspaceBytes);

    @Symbol("sails_residual_norm_forward")
    void residualNormForward(long out, long y, long x, long xWeight, long residual, long yWeight, long nRows, long d, float eps,
        float weightOffset, int yDtype);

    @Symbol("sails_rope_table")
    void ropeTable(long table, long positions, long invFreq, long nTokens, long headDim);

    @Symbol("sails_rope")
    void rope(long y, long x, long table, long nTokens, long nHeads, long headDim, int inverse, int dtype);

    @Symbol("sails_glu_forward")
    void gluForward(long y, long gate, long up, long n, int activation, int dtype);

    @Symbol("sails_glu_backward")
    void gluBackward(long dgate, long dup, long dy, long gate, long up, long n, int activation, int dtype);
}
