package io.sails4j.tensor;

import java.util.Arrays;
import java.util.stream.Collectors;

/** The sizes of a row-major tensor, outermost first. {@code Shape.of()} is a scalar. */
public final class Shape {
    private final long[] dims;
    private final long numel;

    private Shape(long[] dims) {
        long product = 1;
        for (long dim : dims) {
            if (dim < 0) {
                throw new IllegalArgumentException("shape " + Arrays.toString(dims) + " has a negative size");
            }
            try {
                product = Math.multiplyExact(product, dim);
            } catch (ArithmeticException e) {
                throw new IllegalArgumentException("shape " + Arrays.toString(dims) + " has more than 2^63 elements", e);
            }
        }
        this.dims = dims;
        this.numel = product;
    }

    /** A shape of such dimensions, none negative. */
    public static Shape of(long... dims) {
        return new Shape(dims.clone());
    }

    /** Whether these are the dimensions. */
    public boolean is(long... sizes) {
        return Arrays.equals(dims, sizes);
    }

    /** Number of dimensions. */
    public int rank() {
        return dims.length;
    }

    /** Size of dimension {@code i}; negative {@code i} counts from the end. */
    public long dim(int i) {
        int index = i < 0 ? dims.length + i : i;
        if (index < 0 || index >= dims.length) {
            throw new IllegalArgumentException("shape " + this + " has no dimension " + i);
        }
        return dims[index];
    }

    /** Number of elements: the product of the dimensions. */
    public long numel() {
        return numel;
    }

    /** The dimensions, a copy. */
    public long[] toArray() {
        return dims.clone();
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Shape shape && Arrays.equals(dims, shape.dims);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(dims);
    }

    @Override
    public String toString() {
        return Arrays.stream(dims).mapToObj(Long::toString).collect(Collectors.joining(", ", "[", "]"));
    }
}
