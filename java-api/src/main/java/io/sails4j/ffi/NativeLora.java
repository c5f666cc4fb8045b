package io.sails4j.ffi;

/** The section "LoRA" of {@code sails.h} on a device; see {@link NativeDevice}. */
public final class NativeLora {
    private final NativeDevice device;
    private final LoraH api;

    NativeLora(NativeDevice device, LoraH api) {
        this.device = device;
        this.api = api;
    }

    public long loraForwardWorkspaceBytes(long n, long dIn, long dOut, long r) {
        return device.size("sails_lora_forward_workspace_bytes", (handle, out) -> api.loraForwardWorkspaceBytes(handle, out, n, dIn, dOut, r));
    }

    public void loraForward(long y, long h, long x, long loraA, long loraB, long n, long dIn, long dOut, long r,
        float scale, int yDtype, int xDtype, long workspace, long workspaceBytes) {
        device.run("sails_lora_forward", handle -> api.loraForward(handle, y, h, x, loraA, loraB, n, dIn, dOut, r, scale, yDtype, xDtype,
            workspace, workspaceBytes));
    }

    public long loraBackwardWorkspaceBytes(long n, long dIn, long dOut, long r) {
        return device.size("sails_lora_backward_workspace_bytes", (handle, out) -> api.loraBackwardWorkspaceBytes(handle, out, n, dIn, dOut, r));
    }

    public void loraBackward(long dx, long dloraA, long dloraB, long dy, long x, long h, long loraA, long loraB,
        long n, long dIn, long dOut, long r, float scale, int dyDtype, int xDtype, long workspace, long workspaceBytes) {
        device.run("sails_lora_backward", handle -> api.loraBackward(handle, dx, dloraA, dloraB, dy, x, h, loraA, loraB, n, dIn, dOut, r,
            scale, dyDtype, xDtype, workspace, workspaceBytes));
    }

    public long linearForwardWorkspaceBytes(long n, long dIn, long dOut, long r, int yDtype, int dtype) {
        return device.size("sails_linear_forward_workspace_bytes", (handle, out) -> api.linearForwardWorkspaceBytes(handle, out, n, dIn, dOut, r,
            yDtype, dtype));
    }

    public void linearForward(long y, long h, long x, long weight, long bias, long residual, long loraA, long loraB,
        long n, long dIn, long dOut, long r, float scale, int yDtype, int dtype, long workspace, long workspaceBytes) {
        device.run("sails_linear_forward", handle -> api.linearForward(handle, y, h, x, weight, bias, residual, loraA, loraB, n, dIn, dOut, r,
            scale, yDtype, dtype, workspace, workspaceBytes));
    }

    public long linearBackwardWorkspaceBytes(long n, long dIn, long dOut, long r, int dtype) {
        return device.size("sails_linear_backward_workspace_bytes", (handle, out) -> api.linearBackwardWorkspaceBytes(handle, out, n, dIn, dOut, r,
            dtype));
    }

    public void linearBackward(long dx, long dloraA, long dloraB, long dy, long x, long weight, long h, long loraA,
        long loraB, long n, long dIn, long dOut, long r, float scale, int accumulateDx, int dtype, long workspace, long
        workspaceBytes) {
        device.run("sails_linear_backward", handle -> api.linearBackward(handle, dx, dloraA, dloraB, dy, x, weight, h, loraA, loraB, n, dIn,
            dOut, r, scale, accumulateDx, dtype, workspace, workspaceBytes));
    }
}
