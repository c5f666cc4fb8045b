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
import io.sails4j.ffi.NativeElementwise;
import io.sails4j.tensor.Tensor;
import java.lang.foreign.MemorySegment;
import java.util.List;

/** The operations of {@link Ops} in the section "elementwise, rows, reductions" of {@code sails.h}. */
final class ElementwiseCalls {
    private final NativeElementwise api;
    private final NativeDevice device;
    private final Workspace workspace;

    ElementwiseCalls(NativeDevice device, Workspace workspace) {
        this.api = device.elementwise();
        this.device = device;
        this.workspace = workspace;
    }

    void convert(Call call, Tensor dst, Tensor src) {
        api.convert(call.like("dst", dst, "src", src, F32, BF16, F16, F64), call.address("src", src, F32, BF16, F16, F64),
            src.numel(), code(dst), code(src));
    }

    void axpby(Call call, Tensor y, Tensor x, float alpha, float beta) {
        api.axpby(call.like("y", y, "x", x, F32), call.address("x", x, F32_OR_BF16), x.numel(), alpha, beta, code(x));
    }

    void addRow(Call call, Tensor y, Tensor x, Tensor row, float alpha) {
        long rows = call.rows("x", x);
        long cols = call.cols("x", x);
        api.addRow(call.matrix("y", y, rows, cols, F32), call.address("x", x, F32_OR_BF16), call.elements("row", row, cols, F32),
            rows, cols, alpha, code(x));
    }

    void gatherRows(Call call, Tensor y, Tensor x, Tensor rows) {
        long cols = call.cols("x", x);
        call.sameType("y", y, "x", x);
        api.gatherRows(call.matrix("y", y, rows.numel(), cols, F32_OR_BF16), call.address("x", x, F32_OR_BF16),
            call.address("rows", rows, I32), rows.numel(), call.rows("x", x), cols, code(x));
    }

    double[] sumOfSquares(Call call, List<Tensor> tensors) {
        long[] addresses = call.addresses("tensors", tensors);
        double[] sums = new double[addresses.length];
        synchronized (workspace) {
            long out = workspace.atLeast(8L * sums.length);
            api.sumOfSquares(out, addresses, sizes(tensors));
            device.download(MemorySegment.ofArray(sums), out);
        }
        return sums;
    }

    void sumOfSquares(Call call, Tensor sums, List<Tensor> tensors) {
        api.sumOfSquares(call.elements("sums", sums, tensors.size(), F64), call.addresses("tensors", tensors), sizes(tensors));
    }

    long countNonfinite(Call call, Tensor x) {
        long[] count = new long[1];
        long address = call.address("x", x, F32, BF16, F16);
        synchronized (workspace) {
            long out = workspace.atLeast(Long.BYTES);
            api.countNonfinite(out, address, x.numel(), code(x));
            device.download(MemorySegment.ofArray(count), out);
        }
        return count[0];
    }
}
