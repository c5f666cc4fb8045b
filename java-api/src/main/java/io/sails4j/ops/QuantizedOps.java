package io.sails4j.ops;

import static io.sails4j.ops.Call.F32_OR_BF16;
import static io.sails4j.ops.Call.PACKED;
import static io.sails4j.ops.Call.code;
import static io.sails4j.ops.Call.flag;
import static io.sails4j.tensor.DType.F32;

import io.sails4j.ffi.QuantizedFunctions;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** The section "quantized" of {@code sails.h}: weights of 8 and 4 bits. See {@link Ops}. */
public final class QuantizedOps {
    private final Device device;
    private final QuantizedFunctions api;
    private final Workspace workspace;

    QuantizedOps(Device device, QuantizedFunctions api, Workspace workspace) {
        this.device = device;
        this.api = api;
        this.workspace = workspace;
    }

    /**
     * y [rows, cols] Q8|Q4 = the nearest codes of finite x [rows, cols] F32|BF16.
     *
     * @param importance [cols] F32, not negative: scales are those of the least sum of importance * (x - y)^2 among some; null: the largest
     *     magnitude of a group decides
     */
    public void quantize(Tensor y, Tensor x, @Nullable Tensor importance) {
        try (Call call = new Call(device, "quantize")) {
            long rows = call.rows("x", x);
            long cols = call.cols("x", x);
            api.quantize(call.matrix("y", y, rows, cols, PACKED), call.address("x", x, F32_OR_BF16),
                call.elementsOrNull("importance", importance, cols, F32), rows, cols, code(y), code(x));
        }
    }

    /** y [rows, cols] F32|BF16 = x Q8|Q4. */
    public void dequantize(Tensor y, Tensor x) {
        try (Call call = new Call(device, "dequantize")) {
            long rows = call.rows("x", x);
            long cols = call.cols("x", x);
            api.dequantize(call.matrix("y", y, rows, cols, F32_OR_BF16), call.address("x", x, PACKED), rows, cols, code(y), code(x));
        }
    }

    /** {@link LinearOps#linearForward} without bias and residual; weight [d_out, d_in] Q8|Q4. */
    public void quantizedLinearForward(Tensor y, @Nullable Tensor h, Tensor x, Tensor weight, @Nullable Tensor loraA,
        @Nullable Tensor loraB,
        float scale) {
        try (Call call = new Call(device, "quantizedLinearForward")) {
            long n = call.rows("x", x);
            long dIn = call.cols("x", x);
            long dOut = call.rows("weight", weight);
            long r = loraA == null ? 0 : call.rows("loraA", loraA);
            long yAddress = call.matrix("y", y, n, dOut, F32_OR_BF16);
            long hAddress = call.matrixOrNull("h", h, n, r, F32);
            long xAddress = call.address("x", x, F32_OR_BF16);
            long weightAddress = call.matrix("weight", weight, dOut, dIn, PACKED);
            long loraAAddress = loraA == null ? 0 : call.exact("loraA", loraA, F32, r, dIn);
            long loraBAddress = loraB == null ? 0 : call.exact("loraB", loraB, F32, dOut, r);
            synchronized (workspace) {
                long bytes = api.quantizedLinearForwardWorkspaceBytes(n, dIn, dOut, r, code(y), code(x), code(weight));
                api.quantizedLinearForward(yAddress, hAddress, xAddress, weightAddress, loraAAddress, loraBAddress, n, dIn, dOut, r, scale,
                    code(y), code(x), code(weight), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /** {@link LinearOps#linearBackward}; weight [d_out, d_in] Q8|Q4. */
    public void quantizedLinearBackward(Tensor dx, @Nullable Tensor dloraA, @Nullable Tensor dloraB, Tensor dy, @Nullable Tensor x,
        Tensor weight,
        @Nullable Tensor h, @Nullable Tensor loraA, @Nullable Tensor loraB, float scale, boolean accumulateDx) {
        try (Call call = new Call(device, "quantizedLinearBackward")) {
            long n = call.rows("dy", dy);
            long dOut = call.cols("dy", dy);
            long dIn = call.cols("weight", weight);
            long r = loraA == null ? 0 : call.rows("loraA", loraA);
            if (x != null) {
                call.sameType("x", x, "dy", dy);
            }
            long dxAddress = call.matrix("dx", dx, n, dIn, F32);
            long dloraAAddress = dloraA == null ? 0 : call.exact("dloraA", dloraA, F32, r, dIn);
            long dloraBAddress = dloraB == null ? 0 : call.exact("dloraB", dloraB, F32, dOut, r);
            long dyAddress = call.address("dy", dy, F32_OR_BF16);
            long xAddress = call.matrixOrNull("x", x, n, dIn, F32_OR_BF16);
            long weightAddress = call.matrix("weight", weight, dOut, dIn, PACKED);
            long hAddress = call.matrixOrNull("h", h, n, r, F32);
            long loraAAddress = loraA == null ? 0 : call.exact("loraA", loraA, F32, r, dIn);
            long loraBAddress = loraB == null ? 0 : call.exact("loraB", loraB, F32, dOut, r);
            synchronized (workspace) {
                long bytes = api.quantizedLinearBackwardWorkspaceBytes(n, dIn, dOut, r, code(dy), code(weight));
                api.quantizedLinearBackward(dxAddress, dloraAAddress, dloraBAddress, dyAddress, xAddress, weightAddress, hAddress,
                    loraAAddress, loraBAddress, n, dIn, dOut, r, scale, flag(accumulateDx), code(dy), code(weight),
                    workspace.atLeast(bytes), bytes);
            }
        }
    }
}
