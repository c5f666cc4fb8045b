package io.sails4j.model;

import io.sails4j.ops.Ops;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;

/**
 * What makes an adapter a DoRA (arXiv:2402.09353): trained lengths of the rows of the adapted weight. The rows' own lengths follow from
 * weight and factors and are computed when they are next needed after those have changed.
 */
public final class DoraScale implements AutoCloseable {
    private final Tensor magnitude;
    private final Tensor norm;
    /**
     * Sessions that share the adapter may each find it false: they then write the same lengths, in the device's order before any reads
     * them.
     */
    private volatile boolean current;

    /**
     * The lengths of an adapted weight's rows, and room for what they are divided by.
     *
     * @param magnitude [d_out] F32
     * @param norm room for as many
     */
    public DoraScale(Tensor magnitude, Tensor norm) {
        this.magnitude = magnitude;
        this.norm = norm;
    }

    /** The lengths that are trained: [d_out] F32. */
    public Tensor magnitude() {
        return magnitude;
    }

    /** The lengths [d_out] F32 of the rows of weight + scale * lora_B lora_A. */
    Tensor norm(Ops ops, Tensor weight, Tensor loraA, Tensor loraB, float scale, TensorArena memory) {
        if (!current) {
            TensorArena.Mark mark = memory.mark();
            Tensor dense = PackedWeights.dense(ops, weight, DType.F32, memory);
            ops.linear().doraNorm(norm, dense, loraA, loraB, scale);
            memory.release(mark);
            current = true;
        }
        return norm;
    }

    /** To be called when the factors have changed. */
    public void factorsChanged() {
        current = false;
    }

    @Override
    public void close() {
        magnitude.close();
        norm.close();
    }
}
