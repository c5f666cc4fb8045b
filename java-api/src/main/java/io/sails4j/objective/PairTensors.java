package io.sails4j.objective;

import io.sails4j.ops.PreferenceKind;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import org.jspecify.annotations.Nullable;

/**
 * Where the answers of some pairs are in a batch, on the device.
 *
 * @param targets the id that each position predicts, [tokens] I32
 * @param starts first token of each answer, [2 pairs] I32, all aligned ones and then all unaligned ones
 * @param ends token after its last
 * @param columns places of the log-probabilities among the results, [2 pairs] I32
 */
record PairTensors(Tensor targets, Tensor starts, Tensor ends, Tensor columns) {
    /** Numbers of a pair: log-probability of the aligned and of the unaligned answer, margin, loss. */
    static final int RESULTS = 4;

    static PairTensors of(TensorArena memory, SequenceBatch batch) {
        int pairs = batch.starts().length / 2;
        int[] columns = new int[2 * pairs];
        for (int i = 0; i < pairs; i++) {
            columns[i] = RESULTS * i;
            columns[pairs + i] = RESULTS * i + 1;
        }
        return new PairTensors(memory.of(batch.targets(), batch.targets().length), memory.of(batch.starts(), 2 * pairs),
            memory.of(batch.ends(), 2 * pairs),
            memory.of(columns, 2 * pairs));
    }

    int count() {
        return (int) (starts.numel() / 2);
    }

    /** results [pairs, 4] F64 and, where asked for, weights [tokens] F32 = scale times the derivative by the token's loss. */
    void losses(PassContext context, Tensor results, @Nullable Tensor weights, Tensor tokenLoss, @Nullable Tensor reference,
        PreferenceKind kind, double beta,
        double scale) {
        context.model().engine().ops().head().preferenceLoss(results, weights, tokenLoss, targets, starts, ends, reference, kind, beta,
            scale);
    }

    /** The answers' log-probabilities [2 pairs] F64 alone, in the order of {@link #starts}; nothing goes through the host. */
    void logps(PassContext context, Tensor logps, Tensor tokenLoss) {
        Tensor results = context.memory().allocate(DType.F64, count(), RESULTS);
        losses(context, results, null, tokenLoss, null, PreferenceKind.ORPO, 1, 1);
        // Rows of two F32 are moved as they are: each is one F64.
        context.model().engine().ops().elementwise().gatherRows(logps.bitsAs(DType.F32, logps.numel(), 2), results.bitsAs(DType.F32,
            (long) RESULTS * count(), 2), columns);
    }
}
