package io.sails4j.ffi;

/** The section "head" of {@code sails.h}: from hidden states to losses. */
public interface HeadFunctions {
    @Symbol("sails_softcap_forward")
    void softcapForward(long y, long x, long n, float cap);

    @Symbol("sails_softcap_backward")
    void softcapBackward(long dx, long dy, long y, long n, float cap);

    @Symbol("sails_cross_entropy")
    void crossEntropy(long tokenLoss, long dlogits, long logits, long targets, long tokenWeight, long nTokens, long vocab);

    @Symbol("sails_head_loss_workspace_bytes")
    long headLossWorkspaceBytes(long nTokens, long dModel, long vocab, int dtype);

    @Symbol("sails_head_loss")
    void headLoss(long tokenLoss, long dhidden, long dembed, long hidden, long embed, long targets, long tokenWeight, long nTokens,
        long dModel, long vocab, float softcap, int dtype, long workspace, long workspaceBytes);

    @Symbol("sails_preference_loss")
    void preferenceLoss(long results, long tokenWeight, long tokenLoss, long targets, long starts, long ends, long reference, long nPairs,
        long nTokens, int kind, double strength, double lossScale);
}
