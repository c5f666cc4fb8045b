package io.sails4j.ffi;

/** The section "quantized" of {@code sails.h}: weights of 8 and 4 bits. */
public interface QuantizedFunctions {
    @Symbol("sails_quantize")
    void quantize(long y, long x, long importance, long rows, long cols, int yDtype, int xDtype);

    @Symbol("sails_dequantize")
    void dequantize(long y, long x, long rows, long cols, int yDtype, int xDtype);

    @Symbol("sails_quantized_linear_forward_workspace_bytes")
    long quantizedLinearForwardWorkspaceBytes(long n, long dIn, long dOut, long r, int yDtype, int dtype, int weightDtype);

    @Symbol("sails_quantized_linear_forward")
    void quantizedLinearForward(long y, long h, long x, long weight, long loraA, long loraB, long n, long dIn, long dOut, long r,
        float scale, int yDtype, int dtype, int weightDtype, long workspace, long workspaceBytes);

    @Symbol("sails_quantized_linear_backward_workspace_bytes")
    long quantizedLinearBackwardWorkspaceBytes(long n, long dIn, long dOut, long r, int dtype, int weightDtype);

    @Symbol("sails_quantized_linear_backward")
    void quantizedLinearBackward(long dx, long dloraA, long dloraB, long dy, long x, long weight, long h, long loraA, long loraB, long n,
        long dIn, long dOut, long r, float scale, int accumulateDx, int dtype, int weightDtype, long workspace, long workspaceBytes);
}
