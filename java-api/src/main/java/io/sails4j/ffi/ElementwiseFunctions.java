package io.sails4j.ffi;

/** The section "elementwise" of {@code sails.h}: elementwise operations, rows, reductions. */
public interface ElementwiseFunctions {
    @Symbol("sails_convert")
    void convert(long destination, long source, long n, int destinationDtype, int sourceDtype);

    @Symbol("sails_axpby")
    void axpby(long y, long x, long n, float alpha, float beta, int xDtype);

    @Symbol("sails_add_row")
    void addRow(long y, long x, long row, long nRows, long nCols, float alpha, int xDtype);

    @Symbol("sails_gather_rows")
    void gatherRows(long y, long x, long rows, long n, long nRows, long nCols, int dtype);

    @Symbol("sails_dot_rows")
    void dotRows(long outDots, long a, long b, long nRows, long nCols);

    @Symbol("sails_scale_rows")
    void scaleRows(long y, long x, long alpha, long beta, long nRows, long nCols);

    @Symbol("sails_sum_of_squares")
    void sumOfSquares(long outSums, long[] tensors, long[] sizes, long count);

    @Symbol("sails_count_nonfinite")
    void countNonfinite(long outCount, long x, long n, int dtype);
}
