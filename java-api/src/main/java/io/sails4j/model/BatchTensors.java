package io.sails4j.model;

import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;

/** A batch on the device, in the memory of a session. Closing gives that back, after the passes over the batch. */
public final class BatchTensors implements AutoCloseable {
    private final TokenBatch batch;
    private final Tensor segments;
    private final Tensor positions;
    private final Tensor ids;
    private final TensorArena memory;
    private final TensorArena.Mark mark;

    BatchTensors(TokenBatch batch, TensorArena memory) {
        this.batch = batch;
        this.memory = memory;
        this.mark = memory.mark();
        this.segments = memory.of(batch.segments(), batch.batch(), batch.length());
        this.positions = memory.of(batch.positionIds(), batch.size());
        this.ids = memory.of(batch.inputIds(), batch.size());
    }

    /** The batch as it came. */
    public TokenBatch batch() {
        return batch;
    }

    /** [batch, length] I32. */
    Tensor segments() {
        return segments;
    }

    /** [batch * length] I32. */
    Tensor positions() {
        return positions;
    }

    /** [batch * length] I32. */
    Tensor ids() {
        return ids;
    }

    /** Where the memory stood before. */
    TensorArena.Mark mark() {
        return mark;
    }

    @Override
    public void close() {
        memory.release(mark);
    }
}
