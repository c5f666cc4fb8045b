package io.sails4j.ops;

import static io.sails4j.ops.Call.F32_OR_BF16;
import static io.sails4j.ops.Call.code;
import static io.sails4j.ops.Call.flag;
import static io.sails4j.tensor.DType.F32;

import io.sails4j.ffi.NativeDevice;
import io.sails4j.ffi.NativeLora;
import io.sails4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** The operations of {@link Ops} in the section "LoRA" of {@code sails.h}. */
final class LoraCalls {
    private final NativeLora api;
    private final Workspace workspace;

    LoraCalls(NativeDevice device, Workspace workspace) {
        this.api = device.lora();
        this.workspace = workspace;
    }

    void loraForward(Call call, Tensor y, Tensor h, Tensor x, Tensor loraA, Tensor loraB, float scale) {
        long n = call.rows("x", x);
        long dIn = call.cols("x", x);
        long r = call.rows("loraA", loraA);
        long dOut = call.rows("loraB", loraB);
        long yAddress = call.matrix("y", y, n, dOut, F32_OR_BF16);
        long hAddress = call.matrix("h", h, n, r, F32);
        long xAddress = call.address("x", x, F32_OR_BF16);
        long loraAAddress = call.exact("loraA", loraA, F32, r, dIn);
        long loraBAddress = call.exact("loraB", loraB, F32, dOut, r);
        synchronized (workspace) {
            long bytes = api.loraForwardWorkspaceBytes(n, dIn, dOut, r);
            api.loraForward(yAddress, hAddress, xAddress, loraAAddress, loraBAddress, n, dIn, dOut, r, scale, code(y), code(x),
                workspace.atLeast(bytes), bytes);
        }
    }

    void loraBackward(Call call, @Nullable Tensor dx, Tensor dloraA, Tensor dloraB, Tensor dy, Tensor x, Tensor h, Tensor loraA,
        Tensor loraB, float scale) {
        long n = call.rows("x", x);
        long dIn = call.cols("x", x);
        long r = call.rows("loraA", loraA);
        long dOut = call.rows("loraB", loraB);
        long dxAddress = call.matrixOrNull("dx", dx, n, dIn, F32);
        long dloraAAddress = call.exact("dloraA", dloraA, F32, r, dIn);
        long dloraBAddress = call.exact("dloraB", dloraB, F32, dOut, r);
        long dyAddress = call.matrix("dy", dy, n, dOut, F32_OR_BF16);
        long xAddress = call.address("x", x, F32_OR_BF16);
        long hAddress = call.matrix("h", h, n, r, F32);
        long loraAAddress = call.exact("loraA", loraA, F32, r, dIn);
        long loraBAddress = call.exact("loraB", loraB, F32, dOut, r);
        synchronized (workspace) {
            long bytes = api.loraBackwardWorkspaceBytes(n, dIn, dOut, r);
            api.loraBackward(dxAddress, dloraAAddress, dloraBAddress, dyAddress, xAddress, hAddress, loraAAddress, loraBAddress, n,
                dIn, dOut, r, scale, code(dy), code(x), workspace.atLeast(bytes), bytes);
        }
    }

    void linearForward(Call call, Tensor y, @Nullable Tensor h, Tensor x, Tensor weight, @Nullable Tensor bias, @Nullable Tensor residual,
        @Nullable Tensor loraA, @Nullable Tensor loraB, float scale) {
        long n = call.rows("x", x);
        long dIn = call.cols("x", x);
        long dOut = call.rows("weight", weight);
        long r = loraA == null ? 0 : call.rows("loraA", loraA);
        call.sameType("weight", weight, "x", x);
        long yAddress = call.matrix("y", y, n, dOut, F32_OR_BF16);
        long hAddress = call.matrixOrNull("h", h, n, r, F32);
        long xAddress = call.address("x", x, F32_OR_BF16);
        long weightAddress = call.matrix("weight", weight, dOut, dIn, F32_OR_BF16);
        long biasAddress = bias == null ? 0 : call.elements("bias", bias, dOut, F32);
        if (residual != null) {
            call.sameType("residual", residual, "y", y);
        }
        long residualAddress = call.matrixOrNull("residual", residual, n, dOut, F32_OR_BF16);
        long loraAAddress = loraA == null ? 0 : call.exact("loraA", loraA, F32, r, dIn);
        long loraBAddress = loraB == null ? 0 : call.exact("loraB", loraB, F32, dOut, r);
        synchronized (workspace) {
            long bytes = api.linearForwardWorkspaceBytes(n, dIn, dOut, r, code(y), code(x));
            api.linearForward(yAddress, hAddress, xAddress, weightAddress, biasAddress, residualAddress, loraAAddress, loraBAddress, n, dIn,
                dOut, r, scale, code(y), code(x), workspace.atLeast(bytes), bytes);
        }
    }

    void linearBackward(Call call, Tensor dx, @Nullable Tensor dloraA, @Nullable Tensor dloraB, Tensor dy, @Nullable Tensor x, Tensor weight,
        @Nullable Tensor h, @Nullable Tensor loraA, @Nullable Tensor loraB, float scale, boolean accumulateDx) {
        long n = call.rows("dy", dy);
        long dOut = call.cols("dy", dy);
        long dIn = call.cols("weight", weight);
        long r = loraA == null ? 0 : call.rows("loraA", loraA);
        call.sameType("weight", weight, "dy", dy);
        if (x != null) {
            call.sameType("x", x, "dy", dy);
        }
        long dxAddress = call.matrix("dx", dx, n, dIn, F32);
        long dloraAAddress = dloraA == null ? 0 : call.exact("dloraA", dloraA, F32, r, dIn);
        long dloraBAddress = dloraB == null ? 0 : call.exact("dloraB", dloraB, F32, dOut, r);
        long dyAddress = call.address("dy", dy, F32_OR_BF16);
        long xAddress = call.matrixOrNull("x", x, n, dIn, F32_OR_BF16);
        long weightAddress = call.matrix("weight", weight, dOut, dIn, F32_OR_BF16);
        long hAddress = call.matrixOrNull("h", h, n, r, F32);
        long loraAAddress = loraA == null ? 0 : call.exact("loraA", loraA, F32, r, dIn);
        long loraBAddress = loraB == null ? 0 : call.exact("loraB", loraB, F32, dOut, r);
        synchronized (workspace) {
            long bytes = api.linearBackwardWorkspaceBytes(n, dIn, dOut, r, code(dy));
            api.linearBackward(dxAddress, dloraAAddress, dloraBAddress, dyAddress, xAddress, weightAddress, hAddress, loraAAddress,
                loraBAddress, n, dIn, dOut, r, scale, flag(accumulateDx), code(dy), workspace.atLeast(bytes), bytes);
        }
    }
}
