package io.sails4j.ffi;

/** The section "linear" of {@code sails.h}: linear maps with their adapters: LoRA, sets of maps, gated pairs, DoRA. */
public interface LinearFunctions {
    @Symbol("sails_lora_forward_workspace_bytes")
    long loraForwardWorkspaceBytes(long n, long dIn, long dOut, long r);

    @Symbol("sails_lora_forward")
    void loraForward(long y, long h, long x, long loraA, long loraB, long n, long dIn, long dOut, long r, float scale, int yDtype,
        int xDtype, long workspace, long workspaceBytes);

    @Symbol("sails_lora_backward_workspace_bytes")
    long loraBackwardWorkspaceBytes(long n, long dIn, long dOut, long r);

    @Symbol("sails_lora_backward")
    void loraBackward(long dx, long dloraA, long dloraB, long dy, long x, long h, long loraA, long loraB, long n, long dIn, long dOut,
        long r, float scale, int dyDtype, int xDtype, long workspace, long workspaceBytes);

    @Symbol("sails_linear_forward_workspace_bytes")
    long linearForwardWorkspaceBytes(long n, long dIn, long dOut, long r, int yDtype, int dtype);

    @Symbol("sails_linear_forward")
    void linearForward(long y, long h, long x, long weight, long bias, long residual, long loraA, long loraB, long n, long dIn, long dOut,
        long r, float scale, int yDtype, int dtype, long workspace, long workspaceBytes);

    @Symbol("sails_linear_backward_workspace_bytes")
    long linearBackwardWorkspaceBytes(long n, long dIn, long dOut, long r, int dtype);

    @Symbol("sails_linear_backward")
    void linearBackward(long dx, long dloraA, long dloraB, long dy, long x, long weight, long h, long loraA, long loraB, long n, long dIn,
        long dOut, long r, float scale, int accumulateDx, int dtype, long workspace, long workspaceBytes);

    @Symbol("sails_linear_set_forward_workspace_bytes")
    long linearSetForwardWorkspaceBytes(long[] dOut, long[] r, long count, long n, long dIn, int yDtype, int dtype);

    @Symbol("sails_linear_set_forward")
    void linearSetForward(long[] ys, long x, long[] weights, long[] loraAs, long[] loraBs, long[] dOut, long[] r, float[] scale, long count,
        long n, long dIn, int yDtype, int dtype, long workspace, long workspaceBytes);

    @Symbol("sails_linear_glu_forward_workspace_bytes")
    long linearGluForwardWorkspaceBytes(long n, long dIn, long dOut, long gateR, long upR, int dtype);

    @Symbol("sails_linear_glu_forward")
    void linearGluForward(long y, long gate, long up, long gateH, long upH, long x, long gateWeight, long upWeight, long gateLoraA,
        long gateLoraB, long upLoraA, long upLoraB, long n, long dIn, long dOut, long gateR, long upR, float gateScale, float upScale,
        int activation, int dtype, long workspace, long workspaceBytes);

    @Symbol("sails_lora_rows_forward_workspace_bytes")
    long loraRowsForwardWorkspaceBytes(long[] r, long count, long n);

    @Symbol("sails_lora_rows_forward")
    void loraRowsForward(long y, long x, long rowAdapter, long[] loraAs, long[] loraBs, long[] r, float[] scale, long count, long n,
        long dIn, long dOut, int yDtype, int xDtype, long workspace, long workspaceBytes);

    @Symbol("sails_dora_norm")
    void doraNorm(long norm, long weight, long loraA, long loraB, long dOut, long dIn, long r, float scale, int dtype);

    @Symbol("sails_dora_forward")
    void doraForward(long y, long u, long magnitude, long norm, long n, long dOut, int yDtype);

    @Symbol("sails_dora_backward")
    void doraBackward(long du, long dmagnitude, long dy, long u, long magnitude, long norm, long n, long dOut, int dtype);
}
