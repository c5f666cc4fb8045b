package io.sails4j.model;

import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The result of a forward. Closing gives its memory back to the session; passes close in the reverse order of their opening. */
public final class ForwardPass implements AutoCloseable {
    private final PassState state;
    private final TensorArena.Mark mark;
    private final List<SavedBlock> blocks;
    private final Tensor lastResidual;
    private final @Nullable Tensor finalNorm;
    private final @Nullable Tensor finalRstd;
    private boolean closed;

    /** What a block left: its input [n, d_model] F32, and what its backward needs, null where all of that is computed once more. */
    record SavedBlock(Tensor residPre, RecomputePlan.Kind kind, Block.@Nullable Saved saved) {
    }

    ForwardPass(PassState state, TensorArena.Mark mark, List<SavedBlock> blocks, Tensor lastResidual, @Nullable Tensor finalNorm,
        @Nullable Tensor finalRstd) {
        this.state = state;
        this.mark = mark;
        this.blocks = blocks;
        this.lastResidual = lastResidual;
        this.finalNorm = finalNorm;
        this.finalRstd = finalRstd;
    }

    /** The batch that went through the model. */
    public TokenBatch batch() {
        return state.batch();
    }

    /** The input of the output matrix, [batch * length, d_model] in the compute type. */
    public Tensor finalNorm() {
        if (finalNorm == null) {
            throw new IllegalStateException("the forward was stopped before the final norm");
        }
        return finalNorm;
    }

    PassState state() {
        requireOpen();
        return state;
    }

    List<SavedBlock> blocks() {
        return blocks;
    }

    Tensor lastResidual() {
        return lastResidual;
    }

    Tensor finalRstd() {
        if (finalRstd == null) {
            throw new IllegalStateException("the forward was stopped before the final norm");
        }
        return finalRstd;
    }

    private void requireOpen() {
        if (closed) {
            throw new IllegalStateException("the forward pass is closed");
        }
    }

    @Override
    public void close() {
        if (!closed) {
            closed = true;
            state.kept().release(mark);
        }
    }
}
