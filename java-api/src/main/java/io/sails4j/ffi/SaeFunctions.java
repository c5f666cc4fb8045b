package io.sails4j.ffi;

/** The section "sae" of {@code sails.h}: sparse autoencoders and the standardisation around them. */
public interface SaeFunctions {
    @Symbol("sails_sae_encode_workspace_bytes")
    long saeEncodeWorkspaceBytes(long nTokens, long dIn, long dSae, int activation, long k, int dtype);

    @Symbol("sails_sae_encode")
    void saeEncode(long indices, long values, long counts, long x, long wEnc, long bias, long threshold, long scale, long gateBias,
        long nTokens, long dIn, long dSae, long capacity, int activation, long k, int dtype, long workspace, long workspaceBytes);

    @Symbol("sails_sae_encode_backward")
    void saeEncodeBackward(long dx, long dvalues, long indices, long counts, long wEnc, long scale, long nTokens, long dIn, long dSae,
        long capacity, int dtype);

    @Symbol("sails_sae_decode")
    void saeDecode(long recon, long indices, long values, long counts, long wDec, long bias, long scale, long nTokens, long dIn, long dSae,
        long capacity, int dtype);

    @Symbol("sails_sae_decode_backward")
    void saeDecodeBackward(long dvalues, long drecon, long indices, long counts, long wDec, long scale, long nTokens, long dIn, long dSae,
        long capacity, int dtype);

    @Symbol("sails_sae_weight_gradient")
    void saeWeightGradient(long dw, long rows, long indices, long values, long counts, long nTokens, long dIn, long dSae, long capacity,
        int transposed);

    @Symbol("sails_sae_densify")
    void saeDensify(long acts, long indices, long values, long counts, long nTokens, long dSae, long capacity);

    @Symbol("sails_sae_accumulate")
    void saeAccumulate(long sum, long active, long indices, long values, long counts, long tokenClass, long tokenWeight, long nTokens,
        long dSae, long capacity, long nClasses);

    @Symbol("sails_sae_statistics_workspace_bytes")
    long saeStatisticsWorkspaceBytes(long nTokens, long dIn, long dSae, long nClasses, int activation, int dtype);

    @Symbol("sails_sae_statistics")
    void saeStatistics(long sum, long sumSquares, long active, long x, long wEnc, long bias, long threshold, long scale, long gateBias,
        long tokenClass, long tokenWeight, long nTokens, long dIn, long dSae, long nClasses, int activation, int dtype, long workspace,
        long workspaceBytes);

    @Symbol("sails_standardize_forward")
    void standardizeForward(long y, long mean, long std, long x, long nRows, long nCols, float eps);

    @Symbol("sails_standardize_backward")
    void standardizeBackward(long dx, long dy, long dmean, long dstd, long x, long mean, long std, long nRows, long nCols, float eps);

    @Symbol("sails_unstandardize_forward")
    void unstandardizeForward(long y, long x, long mean, long std, long nRows, long nCols);

    @Symbol("sails_unstandardize_backward")
    void unstandardizeBackward(long dx, long dmean, long dstd, long dy, long x, long std, long nRows, long nCols);
}
