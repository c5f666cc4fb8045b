package io.sails4j.trainable;

import io.sails4j.model.MemoryPlan;
import io.sails4j.ops.Ops;
import io.sails4j.ops.OptimizerOps;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.Shape;
import io.sails4j.tensor.Tensor;

/**
 * Steps on parameters that are a BF16 value and a BF16 remainder, without an F32 copy of all of them: their sum is taken to F32 piece by
 * piece, stepped, rounded to the value, and what that loses becomes the remainder (Kahan summation, arXiv:2010.06192, section 4). The two
 * hold 17 bits.
 */
public final class RemainderPieces implements AutoCloseable {
    /** Elements of a piece, whole blocks of {@link OptimizerOps#ADAMW_BLOCK}. */
    public static final long PIECE = MemoryPlan.REMAINDER_PIECE;

    private final Ops ops;
    private final Tensor room;

    public RemainderPieces(Device device, Ops ops) {
        this.ops = ops;
        this.room = device.allocate(DType.F32, Shape.of(PIECE));
    }

    /** Changes elements [from, from + piece's) of a parameter, F32, in place. */
    public interface Step {
        void on(Tensor piece, long from);
    }

    /** @param value BF16, as is the remainder of as many elements */
    public void each(Tensor value, Tensor remainder, Step step) {
        Tensor values = value.view(value.numel());
        Tensor remainders = remainder.view(value.numel());
        for (long from = 0; from < value.numel(); from += PIECE) {
            long n = Math.min(PIECE, value.numel() - from);
            Tensor piece = room.rows(0, n);
            Tensor v = values.rows(from, n);
            Tensor r = remainders.rows(from, n);
            ops.elementwise().convert(piece, v);
            ops.elementwise().axpby(piece, r, 1, 1);
            step.on(piece, from);
            ops.elementwise().convert(v, piece);
            ops.elementwise().axpby(piece, v, -1, 1);
            ops.elementwise().convert(r, piece);
        }
    }

    @Override
    public void close() {
        room.close();
    }
}
