package io.sails4j.model;

import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * Losses of many continuations of one prefix, several at a time. The prefix goes through the model once; its keys and values then stand
 * before every continuation. One thread at a time.
 */
public final class PrefixLosses implements AutoCloseable {
    private final ModelSession session;
    private final CausalModel model;
    private final AdapterStack adapters;
    private final int[] prefix;
    private final int rows;
    private final KvCache cache;
    private boolean closed;

    /**
     * Computes the prefix.
     *
     * @param session whose memory the passes take, and whose thread computes
     * @param prefix may be empty: then continuations are whole sequences, and nothing is shared
     * @param rows continuations that are computed at a time, always so many
     * @param longest tokens that a continuation has at most
     */
    public PrefixLosses(ModelSession session, AdapterStack adapters, int[] prefix, int rows, int longest) {
        if (rows < 1 || longest < 1) {
            throw new IllegalArgumentException(rows + " rows of " + longest + " tokens, expected 1 or more of each");
        }
        this.session = session;
        this.model = session.model();
        this.adapters = adapters;
        this.prefix = prefix.clone();
        this.rows = rows;
        this.cache = cache(prefix.length == 0 ? 0 : rows, prefix.length + longest);
        if (prefix.length > 0) {
            try (KvCache one = cache(1, prefix.length);
                 ForwardPass _ = session.forward(TokenBatch.of(prefix), adapters, ForwardOptions.inference(), one)) {
                cache.repeat(one);
            } catch (RuntimeException | Error e) {
                cache.close();
                throw e;
            }
        }
    }

    private KvCache cache(int batch, int capacity) {
        return new KvCache(model.config(), model.computeDtype(), model.engine().device(), batch, capacity);
    }

    /**
     * The mean of -log p of the last tokens of each continuation, in nats.
     *
     * @param continuations of one length, above {@code counted}
     * @param counted how many of the last tokens
     */
    public double[] losses(List<int[]> continuations, int counted) {
        double[] losses = new double[continuations.size()];
        try (SingleUse.Use _ = session.enter()) {
            if (closed) {
                throw new IllegalStateException("the losses are closed");
            }
            for (int from = 0; from < losses.length; from += rows) {
                List<int[]> some = new ArrayList<>(continuations.subList(from, Math.min(from + rows, losses.length)));
                int real = some.size();
                // Always the same products, so that a continuation's bits do not depend on how many there are.
                while (some.size() < rows) {
                    some.add(some.getLast());
                }
                System.arraycopy(ofRows(some, counted), 0, losses, from, real);
            }
        }
        return losses;
    }

    private double[] ofRows(List<int[]> continuations, int counted) {
        int length = continuations.getFirst().length;
        if (counted < 1 || counted >= length || continuations.stream().anyMatch(ids -> ids.length != length)) {
            throw new IllegalArgumentException("the last " + counted + " tokens of continuations of " + continuations.stream()
                .map(ids -> ids.length).distinct().toList() + " tokens, expected one length that is above");
        }
        int[] ids = continuations.stream().flatMapToInt(Arrays::stream).toArray();
        int[] segments = new int[ids.length];
        int[] positions = new int[ids.length];
        Arrays.fill(segments, 1);
        Arrays.setAll(positions, i -> prefix.length + i % length);
        int[] at = new int[rows * counted];
        int[] targets = new int[at.length];
        for (int i = 0; i < at.length; i++) {
            at[i] = i / counted * length + length - counted - 1 + i % counted;
            targets[i] = ids[at[i] + 1];
        }
        TokenBatch batch = new TokenBatch(rows, length, ids, segments, positions);
        cache.truncate(prefix.length);
        try (ForwardPass pass = session.forward(batch, adapters, ForwardOptions.inference(), prefix.length == 0 ? null : cache)) {
            return means(tokenLosses(pass, at, targets), counted);
        }
    }

    private float[] tokenLosses(ForwardPass pass, int[] at, int[] targets) {
        TensorArena memory = pass.state().kept();
        Tensor hidden = memory.allocate(pass.finalNorm().dtype(), at.length, model.config().dModel());
        model.engine().ops().elementwise().gatherRows(hidden, pass.finalNorm(), memory.of(at, at.length));
        Tensor losses = memory.allocate(DType.F32, at.length);
        model.tokenLosses(losses, hidden, memory.of(targets, at.length));
        return losses.toFloatArray();
    }

    private static double[] means(float[] losses, int each) {
        double[] means = new double[losses.length / each];
        for (int i = 0; i < losses.length; i++) {
            means[i / each] += (double) losses[i] / each;
        }
        return means;
    }

    /** Frees the prefix's keys and values. A second call does nothing. */
    @Override
    public void close() {
        if (!closed) {
            closed = true;
            cache.close();
        }
    }
}
