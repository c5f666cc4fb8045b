package io.sails4j.ffi;

import static io.sails4j.ffi.NativeDevice.requireSameLength;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.Arena;

/** The section "elementwise, rows, reductions" of {@code sails.h} on a device; see {@link NativeDevice}. */
public final class NativeElementwise {
    private final NativeDevice device;
    private final ElementwiseH api;

    NativeElementwise(NativeDevice device, ElementwiseH api) {
        this.device = device;
        this.api = api;
    }

    public void convert(long destination, long source, long n, int destinationDtype, int sourceDtype) {
        device.run("sails_convert", handle -> api.convert(handle, destination, source, n, destinationDtype, sourceDtype));
    }

    public void axpby(long y, long x, long n, float alpha, float beta, int xDtype) {
        device.run("sails_axpby", handle -> api.axpby(handle, y, x, n, alpha, beta, xDtype));
    }

    public void addRow(long y, long x, long row, long nRows, long nCols, float alpha, int xDtype) {
        device.run("sails_add_row", handle -> api.addRow(handle, y, x, row, nRows, nCols, alpha, xDtype));
    }

    public void gatherRows(long y, long x, long rows, long n, long nRows, long nCols, int dtype) {
        device.run("sails_gather_rows", handle -> api.gatherRows(handle, y, x, rows, n, nRows, nCols, dtype));
    }

    /** {@code outSums} on the device; the tensors' addresses and sizes one by one. */
    public void sumOfSquares(long outSums, long[] tensors, long[] sizes) {
        requireSameLength(tensors, sizes);
        try (Arena call = Arena.ofConfined()) {
            device.run("sails_sum_of_squares", handle -> api.sumOfSquares(handle, outSums, call.allocateFrom(JAVA_LONG, tensors),
                call.allocateFrom(JAVA_LONG, sizes), tensors.length));
        }
    }

    public void countNonfinite(long outCount, long x, long n, int dtype) {
        device.run("sails_count_nonfinite", handle -> api.countNonfinite(handle, outCount, x, n, dtype));
    }
}
