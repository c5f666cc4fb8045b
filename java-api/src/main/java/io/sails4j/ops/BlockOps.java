package io.sails4j.ops;

import static io.sails4j.ops.Call.F32_BF16_OR_PACKED;
import static io.sails4j.ops.Call.F32_OR_BF16;
import static io.sails4j.ops.Call.code;
import static io.sails4j.ops.Call.flag;
import static io.sails4j.tensor.DType.F32;
import static io.sails4j.tensor.DType.F64;
import static io.sails4j.tensor.DType.I32;

import io.sails4j.ffi.BlockFunctions;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Tensor;
import org.jspecify.annotations.Nullable;

/** The section "block" of {@code sails.h}: what a transformer block does beside its maps and its attention. See {@link Ops}. */
public final class BlockOps {
    private final Device device;
    private final BlockFunctions api;
    private final Workspace workspace;

    BlockOps(Device device, BlockFunctions api, Workspace workspace) {
        this.device = device;
        this.api = api;
        this.workspace = workspace;
    }

    /** y [n_tokens, d_model] F32|BF16 = table [ids, :] * scale; ids I32, table [vocab, d_model] F32|BF16|Q8|Q4. */
    public void embeddingForward(Tensor y, Tensor ids, Tensor table, float scale) {
        try (Call call = new Call(device, "embeddingForward")) {
            long vocab = call.rows("table", table);
            long dModel = call.cols("table", table);
            long nTokens = ids.numel();
            api.embeddingForward(call.matrix("y", y, nTokens, dModel, F32_OR_BF16), call.address("ids", ids, I32),
                call.address("table", table, F32_BF16_OR_PACKED), nTokens, vocab, dModel, scale, code(y), code(table));
        }
    }

    /** dtable [vocab, d_model] F32 += scale * dy [n_tokens, d_model] F32, by ids I32. */
    public void embeddingBackward(Tensor dtable, Tensor dy, Tensor ids, float scale) {
        try (Call call = new Call(device, "embeddingBackward")) {
            long vocab = call.rows("dtable", dtable);
            long dModel = call.cols("dtable", dtable);
            long nTokens = ids.numel();
            api.embeddingBackward(call.address("dtable", dtable, F32), call.matrix("dy", dy, nTokens, dModel, F32),
                call.address("ids", ids, I32), nTokens, vocab, dModel, scale);
        }
    }

    /** y [n, d] = residual + x * rstd * (weightOffset + weight); x, y F32|BF16, residual of y's type, weight [d] and rstd [n] F32. */
    public void rmsnormForward(Tensor y, @Nullable Tensor rstd, Tensor x, Tensor weight, @Nullable Tensor residual, float eps,
        float weightOffset) {
        try (Call call = new Call(device, "rmsnormForward")) {
            long rows = call.rows("x", x);
            long d = call.cols("x", x);
            api.rmsnormForward(call.matrix("y", y, rows, d, F32_OR_BF16), call.elementsOrNull("rstd", rstd, rows, F32),
                call.address("x", x, F32_OR_BF16), call.elements("weight", weight, d, F32),
                call.matrixOrNull("residual", residual, rows, d, y.dtype()), rows, d, eps, weightOffset,
                code(y), code(x));
        }
    }

    /** dx [n, d] F32 "=" or "+="; dweight [d] F32 +=; dy, x F32|BF16. */
    public void rmsnormBackward(Tensor dx, @Nullable Tensor dweight, Tensor dy, Tensor x, Tensor weight, Tensor rstd,
        float weightOffset, boolean accumulateDx) {
        try (Call call = new Call(device, "rmsnormBackward")) {
            long rows = call.rows("x", x);
            long d = call.cols("x", x);
            long dxAddress = call.matrix("dx", dx, rows, d, F32);
            long dweightAddress = call.elementsOrNull("dweight", dweight, d, F32);
            long dyAddress = call.matrix("dy", dy, rows, d, F32_OR_BF16);
            long xAddress = call.address("x", x, F32_OR_BF16);
            long weightAddress = call.elements("weight", weight, d, F32);
            long rstdAddress = call.elements("rstd", rstd, rows, F32);
            synchronized (workspace) {
                long bytes = api.rmsnormBackwardWorkspaceBytes(rows, d);
                api.rmsnormBackward(dxAddress, dweightAddress, dyAddress, xAddress, weightAddress, rstdAddress, rows, d,
                    weightOffset, flag(accumulateDx), code(dy), code(x), workspace.atLeast(bytes), bytes);
            }
        }
    }

    /**
     * out [n, d] F32 = residual + norm(x) by xWeight (null: residual + x), y [n, d] F32|BF16 = norm(out) by yWeight; out may alias x or
     * residual.
     */
    public void residualNormForward(Tensor out, Tensor y, Tensor x, @Nullable Tensor xWeight, Tensor residual, Tensor yWeight, float eps,
        float weightOffset) {
        try (Call call = new Call(device, "residualNormForward")) {
            long rows = call.rows("x", x);
            long d = call.cols("x", x);
            api.residualNormForward(call.matrix("out", out, rows, d, F32), call.matrix("y", y, rows, d, F32_OR_BF16),
                call.address("x", x, F32), call.elementsOrNull("xWeight", xWeight, d, F32), call.matrix("residual", residual, rows, d, F32),
                call.elements("yWeight", yWeight, d, F32), rows, d, eps, weightOffset, code(y));
        }
    }

    /** table [n_tokens, head_dim / 2, 2] F32: cos and sin of positions I32 times invFreq [head_dim / 2] F64. */
    public void ropeTable(Tensor table, Tensor positions, Tensor invFreq) {
        try (Call call = new Call(device, "ropeTable")) {
            if (table.shape().rank() != 3) {
                throw call.error("table has shape " + table.shape() + ", expected [n_tokens, head_dim / 2, 2]");
            }
            long half = table.dim(1);
            api.ropeTable(call.exact("table", table, F32, positions.numel(), half, 2), call.address("positions", positions, I32),
                call.elements("invFreq", invFreq, half, F64), positions.numel(), 2 * half);
        }
    }

    /** y = x [n_tokens, n_heads, head_dim] F32|BF16 turned by table [n_tokens, head_dim / 2, 2], or turned back; y may alias x. */
    public void rope(Tensor y, Tensor x, Tensor table, boolean inverse) {
        try (Call call = new Call(device, "rope")) {
            long nTokens = call.leading("x", x, 2);
            long nHeads = x.dim(-2);
            long headDim = x.dim(-1);
            call.require(headDim % 2 == 0, () -> "x has shape " + x.shape() + ", expected an even head_dim");
            call.sameType("y", y, "x", x);
            api.rope(call.like("y", y, "x", x, F32_OR_BF16), call.address("x", x, F32_OR_BF16),
                call.exact("table", table, F32, nTokens, headDim / 2, 2), nTokens, nHeads, headDim, flag(inverse), code(x));
        }
    }

    /** y = activation(gate) * up, elementwise, one type F32|BF16; y may alias gate or up. */
    public void gluForward(Tensor y, Tensor gate, Tensor up, GluActivation activation) {
        try (Call call = new Call(device, "gluForward")) {
            api.gluForward(call.like("y", y, "gate", gate, gate.dtype()), call.address("gate", gate, F32_OR_BF16),
                call.like("up", up, "gate", gate, gate.dtype()), gate.numel(), activation.abiCode(), code(gate));
        }
    }

    /** dgate = dy * up * activation'(gate), dup = dy * activation(gate), all of one type F32|BF16; dgate may alias gate, dup up or dy. */
    public void gluBackward(Tensor dgate, Tensor dup, Tensor dy, Tensor gate, Tensor up, GluActivation activation) {
        try (Call call = new Call(device, "gluBackward")) {
            api.gluBackward(call.like("dgate", dgate, "gate", gate, gate.dtype()), call.like("dup", dup, "gate", gate, gate.dtype()),
                call.like("dy", dy, "gate", gate, gate.dtype()), call.address("gate", gate, F32_OR_BF16),
                call.like("up", up, "gate", gate, gate.dtype()), gate.numel(), activation.abiCode(), code(gate));
        }
    }
}
