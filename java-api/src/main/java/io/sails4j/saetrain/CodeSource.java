package io.sails4j.saetrain;

import io.sails4j.ops.Engine;
import io.sails4j.ops.SaeActivation;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Arrays;

/**
 * Codes of vectors, some at a time: as many that {@link #MOST_CODES} slots hold their codes, however many features are active. The room of
 * a vector follows what the step before needed, so that the same state gives the same blocks.
 */
final class CodeSource {
    /** About 24 bytes each, on the host and on the device together. */
    static final int MOST_CODES = 1 << 22;
    private static final int LEAST = 32;

    private final Engine engine;
    private final SaeParameters parameters;
    private final int width;
    private int capacity;
    private int needed;

    CodeSource(Engine engine, SaeParameters parameters, int width) {
        this.engine = engine;
        this.parameters = parameters;
        this.width = width;
        this.capacity = Math.min(width, LEAST);
    }

    int capacity() {
        return capacity;
    }

    /** Goes on with the room of an earlier run. */
    void restore(int earlier) {
        capacity = earlier;
    }

    /** The codes of the first vectors of xin [n, d_in], at least of one. */
    CodeBlock next(Tensor xin, Sparsifier.Asked asked, TensorArena memory) {
        if (asked.activation() == SaeActivation.TOPK) {
            capacity = asked.k();
        }
        while (true) {
            TensorArena.Mark mark = memory.mark();
            long n = Math.min(xin.dim(0), Math.max(1, MOST_CODES / capacity));
            CodeBlock block = encode(xin.rows(0, n), asked, parameters.value(SaeParameters.B_ENC), capacity, memory);
            int most = Arrays.stream(block.counts()).max().orElse(0);
            needed = Math.max(needed, most);
            if (most <= capacity) {
                return block;
            }
            memory.release(mark);
            capacity = roomFor(most);
        }
    }

    /** The codes of all vectors, whose counts tell where the room was too small. */
    CodeBlock encode(Tensor xin, Sparsifier.Asked asked, Tensor bias, int room, TensorArena memory) {
        Tensor indices = memory.allocate(DType.I32, xin.dim(0), room);
        Tensor values = memory.allocate(DType.F32, xin.dim(0), room);
        Tensor counts = memory.allocate(DType.I32, xin.dim(0));
        engine.ops().sae().saeEncode(indices, values, counts, xin, parameters.value(SaeParameters.W_ENC), bias, asked.threshold(), null,
            null,
            asked.activation(), asked.k());
        return CodeBlock.of(indices, counts.toIntArray(), indices.toIntArray(), values.toFloatArray());
    }

    private int roomFor(int count) {
        return (int) Math.min(width, Math.max(LEAST, Math.ceilDiv(count + count / 4L, 16) * 16));
    }

    /** After a step: the room of the next one. */
    void endStep() {
        capacity = roomFor(needed);
        needed = 0;
    }
}
