package io.sails4j.ffi;

import static io.sails4j.ffi.Symbols.at;
import static io.sails4j.ffi.Symbols.link;
import static java.lang.foreign.ValueLayout.ADDRESS;
import static java.lang.foreign.ValueLayout.JAVA_FLOAT;
import static java.lang.foreign.ValueLayout.JAVA_INT;
import static java.lang.foreign.ValueLayout.JAVA_LONG;

import java.lang.foreign.MemorySegment;
import java.lang.invoke.MethodHandle;

/** The section "elementwise, rows, reductions" of {@code sails.h}; see {@link SailsH}. */
final class ElementwiseH {
    static final MethodHandle CONVERT = link(ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT, JAVA_INT);
    static final MethodHandle AXPBY = link(ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_FLOAT, JAVA_FLOAT, JAVA_INT);
    static final MethodHandle ADD_ROW = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_FLOAT, JAVA_INT);
    static final MethodHandle GATHER_ROWS = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_LONG, JAVA_LONG, JAVA_INT);
    static final MethodHandle SUM_OF_SQUARES = link(ADDRESS, ADDRESS, ADDRESS, ADDRESS, JAVA_LONG);
    static final MethodHandle COUNT_NONFINITE = link(ADDRESS, ADDRESS, ADDRESS, JAVA_LONG, JAVA_INT);

    private final Symbols symbols;
    private final MemorySegment convert;
    private final MemorySegment axpby;
    private final MemorySegment addRow;
    private final MemorySegment gatherRows;
    private final MemorySegment sumOfSquares;
    private final MemorySegment countNonfinite;

    ElementwiseH(Symbols symbols) {
        this.symbols = symbols;
        convert = symbols.find("sails_convert");
        axpby = symbols.find("sails_axpby");
        addRow = symbols.find("sails_add_row");
        gatherRows = symbols.find("sails_gather_rows");
        sumOfSquares = symbols.find("sails_sum_of_squares");
        countNonfinite = symbols.find("sails_count_nonfinite");
    }

    int convert(MemorySegment device, long destination, long source, long n, int destinationDtype, int sourceDtype) {
        try {
            return (int) CONVERT.invokeExact(convert, device, at(destination), at(source), n, destinationDtype, sourceDtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_convert", convert, e);
        }
    }

    int axpby(MemorySegment device, long y, long x, long n, float alpha, float beta, int xDtype) {
        try {
            return (int) AXPBY.invokeExact(axpby, device, at(y), at(x), n, alpha, beta, xDtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_axpby", axpby, e);
        }
    }

    int addRow(MemorySegment device, long y, long x, long row, long nRows, long nCols, float alpha, int xDtype) {
        try {
            return (int) ADD_ROW.invokeExact(addRow, device, at(y), at(x), at(row), nRows, nCols, alpha, xDtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_add_row", addRow, e);
        }
    }

    int gatherRows(MemorySegment device, long y, long x, long rows, long n, long nRows, long nCols, int dtype) {
        try {
            return (int) GATHER_ROWS.invokeExact(gatherRows, device, at(y), at(x), at(rows), n, nRows, nCols, dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_gather_rows", gatherRows, e);
        }
    }

    int sumOfSquares(MemorySegment device, long outSums, MemorySegment tensors, MemorySegment sizes, long count) {
        try {
            return (int) SUM_OF_SQUARES.invokeExact(sumOfSquares, device, at(outSums), tensors, sizes, count);
        } catch (Throwable e) {
            throw symbols.failure("sails_sum_of_squares", sumOfSquares, e);
        }
    }

    int countNonfinite(MemorySegment device, long outCount, long x, long n, int dtype) {
        try {
            return (int) COUNT_NONFINITE.invokeExact(countNonfinite, device, at(outCount), at(x), n, dtype);
        } catch (Throwable e) {
            throw symbols.failure("sails_count_nonfinite", countNonfinite, e);
        }
    }
}
