package io.sails4j.ffi;

import static io.sails4j.ffi.NativeDevice.requireSameLength;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;

/** The section "projection, optimizer" of {@code sails.h} on a device; see {@link NativeDevice}. */
public final class NativeOptimizer {
    private final NativeDevice device;
    private final OptimizerH api;

    NativeOptimizer(NativeDevice device, OptimizerH api) {
        this.device = device;
        this.api = api;
    }

    public long projectWorkspaceBytes(long d, long rS, long n) {
        return device.size("sails_project_workspace_bytes", (handle, out) -> api.projectWorkspaceBytes(handle, out, d, rS, n));
    }

    public void project(long y, long g, long basis, long d, long rS, long n, int right, long workspace,
        long workspaceBytes) {
        device.run("sails_project", handle -> api.project(handle, y, g, basis, d, rS, n, right, workspace, workspaceBytes));
    }

    /** Of matrices {@code d[i]} x {@code n[i]} and bases of {@code rS[i]} columns. */
    public long projectSetWorkspaceBytes(long[] d, long[] rS, long[] n) {
        requireSameLength(d, rS, n);
        try (Arena call = Arena.ofConfined()) {
            return device.size("sails_project_set_workspace_bytes", (handle, out) -> api.projectSetWorkspaceBytes(handle, out,
                call.allocateFrom(JAVA_LONG, d), call.allocateFrom(JAVA_LONG, rS), call.allocateFrom(JAVA_LONG, n), d.length));
        }
    }

    public void projectSet(long[] ys, long[] gs, long[] bases, long[] d, long[] rS, long[] n, int[] right, long workspace,
        long workspaceBytes) {
        requireSameLength(ys, gs, bases, d, rS, n, new long[right.length]);
        try (Arena call = Arena.ofConfined()) {
            device.run("sails_project_set", handle -> api.projectSet(handle, call.allocateFrom(JAVA_LONG, ys), call.allocateFrom(JAVA_LONG, gs),
                call.allocateFrom(JAVA_LONG, bases), call.allocateFrom(JAVA_LONG, d), call.allocateFrom(JAVA_LONG, rS),
                call.allocateFrom(JAVA_LONG, n), call.allocateFrom(JAVA_INT, right), ys.length, workspace, workspaceBytes));
        }
    }

    public void adamwRates(long rates, long step, double gradScale, double lr, double beta1, double beta2, double eps,
        double weightDecay) {
        device.run("sails_adamw_rates", handle -> api.adamwRates(handle, rates, step, gradScale, lr, beta1, beta2, eps, weightDecay));
    }

    /** One AdamW step on all tensors at once, given by address and size. */
    public void adamw(long[] params, long[] m, long[] v, long[] grads, long rates, long[] sizes) {
        requireSameLength(params, m, v, grads, sizes);
        try (Arena call = Arena.ofConfined()) {
            device.run("sails_adamw", handle -> api.adamw(handle, call.allocateFrom(JAVA_LONG, params), call.allocateFrom(JAVA_LONG, m),
                call.allocateFrom(JAVA_LONG, v), call.allocateFrom(JAVA_LONG, grads), rates, call.allocateFrom(JAVA_LONG, sizes),
                params.length));
        }
    }

    public long adamwProjectedWorkspaceBytes(long[] d, long[] rS, long[] n) {
        requireSameLength(d, rS, n);
        try (Arena call = Arena.ofConfined()) {
            return device.size("sails_adamw_projected_workspace_bytes", (handle, out) -> api.adamwProjectedWorkspaceBytes(handle, out,
                call.allocateFrom(JAVA_LONG, d), call.allocateFrom(JAVA_LONG, rS), call.allocateFrom(JAVA_LONG, n), d.length));
        }
    }

    public void adamwProjected(long[] params, long[] m, long[] v, long[] grads, long[] bases, long rates, long[] d, long[] rS,
        long[] n, int[] right, int projection, long workspace, long workspaceBytes) {
        requireSameLength(params, m, v, grads, bases, d, rS, n, new long[right.length]);
        try (Arena call = Arena.ofConfined()) {
            device.run("sails_adamw_projected", handle -> api.adamwProjected(handle, call.allocateFrom(JAVA_LONG, params),
                call.allocateFrom(JAVA_LONG, m), call.allocateFrom(JAVA_LONG, v), call.allocateFrom(JAVA_LONG, grads),
                call.allocateFrom(JAVA_LONG, bases), rates, call.allocateFrom(JAVA_LONG, d), call.allocateFrom(JAVA_LONG, rS),
                call.allocateFrom(JAVA_LONG, n), call.allocateFrom(JAVA_INT, right), params.length, projection, workspace, workspaceBytes));
        }
    }

    /** One AdamW step with moments in 8 bits, on all tensors at once. */
    public void adamw8bit(long[] params, long[] m, long[] v, long[] mAbsmax, long[] vAbsmax, long[] grads, long mCode, long vCode,
        long rates, long[] sizes) {
        requireSameLength(params, m, v, mAbsmax, vAbsmax, grads, sizes);
        try (Arena call = Arena.ofConfined()) {
            device.run("sails_adamw_8bit", handle -> api.adamw8bit(handle, call.allocateFrom(JAVA_LONG, params), call.allocateFrom(JAVA_LONG, m),
                call.allocateFrom(JAVA_LONG, v), call.allocateFrom(JAVA_LONG, mAbsmax), call.allocateFrom(JAVA_LONG, vAbsmax),
                call.allocateFrom(JAVA_LONG, grads), mCode, vCode, rates, call.allocateFrom(JAVA_LONG, sizes), params.length));
        }
    }

    public void doraNorm(long norm, long weight, long loraA, long loraB, long dOut, long dIn, long r, float scale,
        int dtype) {
        device.run("sails_dora_norm", handle -> api.doraNorm(handle, norm, weight, loraA, loraB, dOut, dIn, r, scale, dtype));
    }

    public void doraForward(long y, long u, long magnitude, long norm, long n, long dOut, int yDtype) {
        device.run("sails_dora_forward", handle -> api.doraForward(handle, y, u, magnitude, norm, n, dOut, yDtype));
    }

    public void doraBackward(long du, long dmagnitude, long dy, long u, long magnitude, long norm, long n, long dOut,
        int dtype) {
        device.run("sails_dora_backward", handle -> api.doraBackward(handle, du, dmagnitude, dy, u, magnitude, norm, n, dOut, dtype));
    }
}
