package io.sails4j.ffi;

/** The section "sparse autoencoders" of {@code sails.h} on a device; see {@link NativeDevice}. */
public final class NativeSae {
    private final NativeDevice device;
    private final SaeH api;

    NativeSae(NativeDevice device, SaeH api) {
        this.device = device;
        this.api = api;
    }

    public long saeEncodeWorkspaceBytes(long nTokens, long dIn, long dSae, int activation, long k, int dtype) {
        return device.size("sails_sae_encode_workspace_bytes", (handle, out) -> api.saeEncodeWorkspaceBytes(handle, out, nTokens, dIn, dSae,
            activation, k, dtype));
    }

    public void saeEncode(long indices, long values, long counts, long x, long wEnc, long bias, long threshold,
        long scale, long gateBias, long nTokens, long dIn, long dSae, long capacity, int activation, long k, int dtype,
        long workspace, long workspaceBytes) {
        device.run("sails_sae_encode", handle -> api.saeEncode(handle, indices, values, counts, x, wEnc, bias, threshold, scale, gateBias,
            nTokens, dIn, dSae, capacity, activation, k, dtype, workspace, workspaceBytes));
    }

    public void saeEncodeBackward(long dx, long dvalues, long indices, long counts, long wEnc, long scale,
        long nTokens, long dIn, long dSae, long capacity, int dtype) {
        device.run("sails_sae_encode_backward", handle -> api.saeEncodeBackward(handle, dx, dvalues, indices, counts, wEnc, scale, nTokens,
            dIn, dSae, capacity, dtype));
    }

    public void saeDecode(long recon, long indices, long values, long counts, long wDec, long bias, long scale,
        long nTokens, long dIn, long dSae, long capacity, int dtype) {
        device.run("sails_sae_decode", handle -> api.saeDecode(handle, recon, indices, values, counts, wDec, bias, scale, nTokens, dIn, dSae,
            capacity, dtype));
    }

    public void saeDecodeBackward(long dvalues, long drecon, long indices, long counts, long wDec, long scale,
        long nTokens, long dIn, long dSae, long capacity, int dtype) {
        device.run("sails_sae_decode_backward", handle -> api.saeDecodeBackward(handle, dvalues, drecon, indices, counts, wDec, scale, nTokens,
            dIn, dSae, capacity, dtype));
    }

    public void saeDensify(long acts, long indices, long values, long counts, long nTokens, long dSae,
        long capacity) {
        device.run("sails_sae_densify", handle -> api.saeDensify(handle, acts, indices, values, counts, nTokens, dSae, capacity));
    }

    public void saeAccumulate(long sum, long active, long indices, long values, long counts, long tokenClass,
        long tokenWeight, long nTokens, long dSae, long capacity, long nClasses) {
        device.run("sails_sae_accumulate", handle -> api.saeAccumulate(handle, sum, active, indices, values, counts, tokenClass, tokenWeight,
            nTokens, dSae, capacity, nClasses));
    }

    public long saeStatisticsWorkspaceBytes(long nTokens, long dIn, long dSae, long nClasses, int activation, int
        dtype) {
        return device.size("sails_sae_statistics_workspace_bytes", (handle, out) -> api.saeStatisticsWorkspaceBytes(handle, out, nTokens, dIn,
            dSae, nClasses, activation, dtype));
    }

    public void saeStatistics(long sum, long sumSquares, long active, long x, long wEnc, long bias, long threshold,
        long scale, long gateBias, long tokenClass, long tokenWeight, long nTokens, long dIn, long dSae, long nClasses, int
        activation, int dtype, long workspace, long workspaceBytes) {
        device.run("sails_sae_statistics", handle -> api.saeStatistics(handle, sum, sumSquares, active, x, wEnc, bias, threshold, scale,
            gateBias, tokenClass, tokenWeight, nTokens, dIn, dSae, nClasses, activation, dtype, workspace, workspaceBytes));
    }

    public void standardizeForward(long y, long mean, long std, long x, long nRows, long nCols, float eps) {
        device.run("sails_standardize_forward", handle -> api.standardizeForward(handle, y, mean, std, x, nRows, nCols, eps));
    }

    public void standardizeBackward(long dx, long dy, long dmean, long dstd, long x, long mean, long std, long nRows,
        long nCols, float eps) {
        device.run("sails_standardize_backward", handle -> api.standardizeBackward(handle, dx, dy, dmean, dstd, x, mean, std, nRows, nCols,
            eps));
    }

    public void unstandardizeForward(long y, long x, long mean, long std, long nRows, long nCols) {
        device.run("sails_unstandardize_forward", handle -> api.unstandardizeForward(handle, y, x, mean, std, nRows, nCols));
    }

    public void unstandardizeBackward(long dx, long dmean, long dstd, long dy, long x, long std, long nRows,
        long nCols) {
        device.run("sails_unstandardize_backward", handle -> api.unstandardizeBackward(handle, dx, dmean, dstd, dy, x, std, nRows, nCols));
    }
}
