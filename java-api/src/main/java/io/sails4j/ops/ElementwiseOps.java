package io.sails4j.ops;

import static io.sails4j.ops.Call.F32_OR_BF16;
import static io.sails4j.ops.Call.code;
import static io.sails4j.ops.Call.sizes;
import static io.sails4j.tensor.DType.BF16;
import static io.sails4j.tensor.DType.F16;
import static io.sails4j.tensor.DType.F32;
import static io.sails4j.tensor.DType.F64;
import static io.sails4j.tensor.DType.I32;

import io.sails4j.ffi.NativeDevice;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The section "elementwise" of {@code sails.h}: elementwise operations, rows and reductions. See {@link Ops}. */
public final class ElementwiseOps {
    private final Device device;
    private final NativeDevice api;
    private final Workspace workspace;

    ElementwiseOps(Device device, NativeDevice api, Workspace workspace) {
        this.device = device;
        this.api = api;
        this.workspace = workspace;
    }

    /** dst = src, between F32, BF16, F16 and F64; as many elements, in any shape. */
    public void convert(Tensor dst, Tensor src) {
        try (Call call = new Call(device, "convert")) {
            api.convert(call.like("dst", dst, "src", src, F32, BF16, F16, F64), call.address("src", src, F32, BF16, F16, F64),
                src.numel(), code(dst), code(src));
        }
    }

    /** y F32 = alpha * x F32|BF16 + beta * y; beta 0 does not read y. */
    public void axpby(Tensor y, Tensor x, float alpha, float beta) {
        try (Call call = new Call(device, "axpby")) {
            api.axpby(call.like("y", y, "x", x, F32), call.address("x", x, F32_OR_BF16), x.numel(), alpha, beta, code(x));
        }
    }

    /** y [n, d] F32 = x [n, d] F32|BF16 + alpha * row [d] F32. */
    public void addRow(Tensor y, Tensor x, Tensor row, float alpha) {
        try (Call call = new Call(device, "addRow")) {
            long rows = call.rows("x", x);
            long cols = call.cols("x", x);
            api.addRow(call.matrix("y", y, rows, cols, F32), call.address("x", x, F32_OR_BF16), call.elements("row", row, cols, F32),
                rows, cols, alpha, code(x));
        }
    }

    /** y [n, d] = x [rows[i], :]; y and x of one type, rows I32, each in [0, rows of x). */
    public void gatherRows(Tensor y, Tensor x, Tensor rows) {
        try (Call call = new Call(device, "gatherRows")) {
            long cols = call.cols("x", x);
            call.sameType("y", y, "x", x);
            api.gatherRows(call.matrix("y", y, rows.numel(), cols, F32_OR_BF16), call.address("x", x, F32_OR_BF16),
                call.address("rows", rows, I32), rows.numel(), call.rows("x", x), cols, code(x));
        }
    }

    /** out_dots [n] F32 = &lt;a[i], b[i]&gt; of the rows of a, b [n, d] F32; b may be a. */
    public void dotRows(Tensor outDots, Tensor a, Tensor b) {
        try (Call call = new Call(device, "dotRows")) {
            long rows = call.rows("a", a);
            long cols = call.cols("a", a);
            api.dotRows(call.elements("outDots", outDots, rows, F32), call.address("a", a, F32), call.matrix("b", b, rows, cols, F32), rows,
                cols);
        }
    }

    /** y [n, d] F32 = beta[i] y[i] + alpha[i] x[i]; alpha, beta [n] F32; beta null: 1; x and alpha both null: 0; x may be y. */
    public void scaleRows(Tensor y, @Nullable Tensor x, @Nullable Tensor alpha, @Nullable Tensor beta) {
        try (Call call = new Call(device, "scaleRows")) {
            long rows = call.rows("y", y);
            long cols = call.cols("y", y);
            call.require((x == null) == (alpha == null), "x and alpha belong together: one of them is missing");
            api.scaleRows(call.address("y", y, F32), call.matrixOrNull("x", x, rows, cols, F32),
                call.elementsOrNull("alpha", alpha, rows, F32), call.elementsOrNull("beta", beta, rows, F32), rows, cols);
        }
    }

    /** The sum of squares of each F32 tensor, on the host; waits. */
    public double[] sumOfSquares(List<Tensor> tensors) {
        try (Call call = new Call(device, "sumOfSquares")) {
            long[] addresses = call.addresses("tensors", tensors);
            double[] sums = new double[addresses.length];
            synchronized (workspace) {
                long out = workspace.atLeast(8L * sums.length);
                api.sumOfSquares(out, addresses, sizes(tensors), tensors.size());
                api.download(MemorySegment.ofArray(sums), out);
            }
            return sums;
        }
    }

    /** sums [tensors] F64 = the sum of squares of each F32 tensor; does not wait. */
    public void sumOfSquares(Tensor sums, List<Tensor> tensors) {
        try (Call call = new Call(device, "sumOfSquares")) {
            api.sumOfSquares(call.elements("sums", sums, tensors.size(), F64), call.addresses("tensors", tensors), sizes(tensors),
                tensors.size());
        }
    }

    /** How many elements of x F32|BF16|F16 are NaN or infinite; waits. */
    public long countNonfinite(Tensor x) {
        try (Call call = new Call(device, "countNonfinite")) {
            long[] count = new long[1];
            long address = call.address("x", x, F32, BF16, F16);
            synchronized (workspace) {
                long out = workspace.atLeast(Long.BYTES);
                api.countNonfinite(out, address, x.numel(), code(x));
                api.download(MemorySegment.ofArray(count), out);
            }
            return count[0];
        }
    }
}
