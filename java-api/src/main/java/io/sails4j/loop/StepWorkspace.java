package io.sails4j.loop;

import io.sails4j.config.ModelConfig;
import io.sails4j.ops.Ops;
import io.sails4j.tensor.DType;

/** The scratch memory that the operations of a training step share: what the hungriest of them takes. */
public final class StepWorkspace {
    private StepWorkspace() {
    }

    /**
     * Bytes on the device of {@code ops} for the head and attention's backward, which take more than any linear map.
     *
     * @param positions of the largest micro-batch, padding included
     * @param length of its sequences, at most
     */
    public static long bytes(Ops ops, ModelConfig config, DType dtype, long positions, long length) {
        long head = ops.head().headLossWorkspaceBytes(positions, config.dModel(), config.vocabSize(), dtype);
        long batch = Math.ceilDiv(positions, Math.max(1, length));
        return Math.max(head, ops.attention().attentionBackwardWorkspaceBytes(batch, length, config.nHeads(), config.nKvHeads(),
            config.headDim(), dtype));
    }
}
