package io.sails4j.utility;

import io.sails4j.model.AdapterStack;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.model.Labels;
import io.sails4j.model.ModelSession;
import io.sails4j.model.TokenBatch;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Arrays;
import java.util.List;

/**
 * -ln p of tokens. Every text is computed alone, so that its numbers do not depend on others; logits are made in pieces and never stand in
 * memory whole.
 */
public final class TokenLosses implements AutoCloseable {
    private final ModelSession session;
    private final AdapterStack adapters;
    private final TensorArena memory;

    /** Those of a session's model with adapters; the session stays the caller's to close. */
    public TokenLosses(ModelSession session, AdapterStack adapters) {
        this.session = session;
        this.adapters = adapters;
        this.memory = new TensorArena(session.model().engine().device());
    }

    /** -ln p(ids[i] | ids[0 .. i-1]) for i from {@code from}, which is 1 or more, to the end. */
    public float[] of(int[] ids, int from) {
        if (from < 1 || from > ids.length) {
            throw new IllegalArgumentException("losses from token " + from + " of " + ids.length + ", expected a token with one before it");
        }
        if (from == ids.length) {
            return new float[0];
        }
        int[] targets = Arrays.copyOfRange(ids, 1, ids.length);
        Arrays.fill(targets, 0, from - 1, Labels.IGNORE_INDEX);
        try (ForwardPass pass = read(Arrays.copyOf(ids, ids.length - 1))) {
            return Arrays.copyOfRange(losses(pass.finalNorm(), targets), from - 1, targets.length);
        }
    }

    /** Each continuation's ln p behind a context: the sum over its tokens. */
    public double[] logLikelihoods(int[] context, List<int[]> continuations) {
        if (continuations.stream().allMatch(tokens -> tokens.length == 1)) {
            return ofSingleTokens(context, continuations.stream().mapToInt(tokens -> tokens[0]).toArray());
        }
        return continuations.stream().mapToDouble(tokens -> {
            int[] ids = Arrays.copyOf(context, context.length + tokens.length);
            System.arraycopy(tokens, 0, ids, context.length, tokens.length);
            double sum = 0;
            for (float loss : of(ids, context.length)) {
                sum -= loss;
            }
            return sum;
        }).toArray();
    }

    /** They share one pass over the context. */
    private double[] ofSingleTokens(int[] context, int[] tokens) {
        try (ForwardPass pass = read(context)) {
            memory.reset();
            int[] rows = new int[tokens.length];
            Arrays.fill(rows, context.length - 1);
            Tensor last = memory.allocate(pass.finalNorm().dtype(), tokens.length, session.model().config().dModel());
            session.model().engine().ops().elementwise().gatherRows(last, pass.finalNorm(), memory.of(rows, rows.length));
            float[] losses = losses(last, tokens);
            double[] likelihoods = new double[tokens.length];
            Arrays.setAll(likelihoods, i -> -losses[i]);
            return likelihoods;
        }
    }

    private ForwardPass read(int[] ids) {
        return session.forward(TokenBatch.of(ids), adapters, ForwardOptions.inference());
    }

    private float[] losses(Tensor hidden, int[] targets) {
        TensorArena.Mark mark = memory.mark();
        Tensor loss = memory.allocate(DType.F32, targets.length);
        session.model().tokenLosses(loss, hidden, memory.of(targets, targets.length));
        float[] values = loss.toFloatArray();
        memory.release(mark);
        return values;
    }

    @Override
    public void close() {
        memory.close();
    }
}
