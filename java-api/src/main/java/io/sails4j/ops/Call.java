package io.sails4j.ops;

import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;
import java.lang.ref.Reference;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.StringJoiner;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/**
 * One call of an operation: checks the arguments, turns them into addresses, and keeps their tensors reachable until the call is over
 * (a buffer whose last reference is gone may be freed by its cleaner).
 */
final class Call implements AutoCloseable {
    static final DType[] F32_OR_BF16 = {DType.F32, DType.BF16};
    static final DType[] PACKED = {DType.Q8, DType.Q4};
    static final DType[] F32_BF16_OR_PACKED = {DType.F32, DType.BF16, DType.Q8, DType.Q4};

    private final Device device;
    private final String operation;
    private final List<Tensor> tensors = new ArrayList<>(12);

    Call(Device device, String operation) {
        this.device = device;
        this.operation = operation;
    }

    @Override
    public void close() {
        Reference.reachabilityFence(this);
    }

    static int code(Tensor tensor) {
        return tensor.dtype().abiCode();
    }

    static int flag(boolean value) {
        return value ? 1 : 0;
    }

    static long[] sizes(List<Tensor> tensors) {
        return tensors.stream().mapToLong(Tensor::numel).toArray();
    }

    IllegalArgumentException error(String text) {
        return new IllegalArgumentException(operation + ": " + text);
    }

    void require(boolean condition, String text) {
        if (!condition) {
            throw error(text);
        }
    }

    /**
     * The sentence is made where the condition fails: an operation of a small model takes no longer than a few of them. What a token calls
     * for each of its layers throws by itself instead of making this Supplier.
     */
    void require(boolean condition, Supplier<String> text) {
        if (!condition) {
            throw error(text.get());
        }
    }

    /** Columns: the innermost size. */
    long cols(String name, Tensor tensor) {
        if (tensor.shape().rank() == 0) {
            throw error(name + " has shape [], expected at least one dimension");
        }
        return tensor.dim(-1);
    }

    /** Rows: the product of all sizes but the innermost. */
    long rows(String name, Tensor tensor) {
        return leading(name, tensor, 1);
    }

    /** The product of all sizes but the {@code inner} innermost. */
    long leading(String name, Tensor tensor, int inner) {
        Shape shape = tensor.shape();
        if (shape.rank() < inner) {
            throw error(name + " has shape " + shape + ", expected at least " + inner + " dimensions");
        }
        long product = 1;
        for (int i = 0; i < shape.rank() - inner; i++) {
            product = Math.multiplyExact(product, shape.dim(i));
        }
        return product;
    }

    void sameType(String name, Tensor tensor, String otherName, Tensor other) {
        if (tensor.dtype() != other.dtype()) {
            throw error(name + " is " + tensor + ", expected the type of " + otherName + ", " + other);
        }
    }

    /** The address of a tensor whose rows (leading sizes flattened) and columns are as given. */
    long matrix(String name, Tensor tensor, long rows, long cols, DType... types) {
        if (tensor.shape().rank() == 0 || rows(name, tensor) != rows || cols(name, tensor) != cols) {
            throw error(name + " has shape " + tensor.shape() + ", expected [" + rows + ", " + cols + "]");
        }
        return address(name, tensor, types);
    }

    /** The address of a tensor of exactly these sizes. */
    long exact(String name, Tensor tensor, DType type, long... dims) {
        if (!tensor.shape().is(dims)) {
            throw error(name + " has shape " + tensor.shape() + ", expected " + Shape.of(dims));
        }
        return address(name, tensor, type);
    }

    /** The address of a tensor of {@code n} elements in any shape. */
    long elements(String name, Tensor tensor, long n, DType... types) {
        if (tensor.numel() != n) {
            throw error(name + " has shape " + tensor.shape() + ", expected " + n + " elements");
        }
        return address(name, tensor, types);
    }

    /** The address of a tensor with at least {@code n} elements. */
    long atLeast(String name, Tensor tensor, long n, DType... types) {
        if (tensor.numel() < n) {
            throw error(name + " has shape " + tensor.shape() + ", expected at least " + n + " elements");
        }
        return address(name, tensor, types);
    }

    /** The address of a tensor with as many elements as another. */
    long like(String name, Tensor tensor, String otherName, Tensor other, DType... types) {
        if (tensor.numel() != other.numel()) {
            throw error(name + " has shape " + tensor.shape() + ", expected as many elements as " + otherName + " of shape "
                + other.shape());
        }
        return address(name, tensor, types);
    }

    long matrixOrNull(String name, @Nullable Tensor tensor, long rows, long cols, DType... types) {
        return tensor == null ? 0 : matrix(name, tensor, rows, cols, types);
    }

    long elementsOrNull(String name, @Nullable Tensor tensor, long n, DType... types) {
        return tensor == null ? 0 : elements(name, tensor, n, types);
    }

    /** The addresses of F32 tensors. */
    long[] addresses(String name, List<Tensor> tensors) {
        return addresses(name, tensors, DType.F32);
    }

    long[] addresses(String name, List<Tensor> tensors, DType type) {
        long[] out = new long[tensors.size()];
        for (int i = 0; i < out.length; i++) {
            Tensor tensor = tensors.get(i);
            // The element's name is made where it is told: lists are long.
            boolean right = tensor.dtype() == type && tensor.device() == device;
            out[i] = right ? held(tensor) : address(name + "[" + i + "]", tensor, type);
        }
        return out;
    }

    long address(String name, Tensor tensor, DType... types) {
        if (!among(types, tensor.dtype())) {
            StringJoiner expected = new StringJoiner(" or ");
            Arrays.stream(types).forEach(type -> expected.add(type.name()));
            throw error(name + " is " + tensor + ", expected " + expected);
        }
        if (tensor.device() != device) {
            throw error(name + " " + tensor + " lives on another device");
        }
        return held(tensor);
    }

    private static boolean among(DType[] types, DType type) {
        for (DType one : types) {
            if (one == type) {
                return true;
            }
        }
        return false;
    }

    /** The address of a tensor that was checked, which stays reachable until the call is over. */
    private long held(Tensor tensor) {
        tensors.add(tensor);
        return Addresses.of(tensor);
    }
}
