package io.sails4j.subspace;

import io.sails4j.InputException;
import io.sails4j.data.Progress;
import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenSequence;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.Site;
import io.sails4j.objective.LengthBatches;
import io.sails4j.objective.SequenceBatch;
import io.sails4j.tensor.Tensor;
import java.util.ArrayList;
import java.util.List;
import java.util.SortedSet;

/** One pass of a model over both answers of pairs, in batches of sequences of like lengths. */
final class PairPass {
    private final CausalModel model;
    private final List<TokenPair> pairs;
    private final int batchTokens;

    PairPass(CausalModel model, List<TokenPair> pairs, int batchTokens) {
        if (pairs.isEmpty()) {
            throw new InputException("there is no preference pair to compare aligned with unaligned answers on");
        }
        TokenPair.requirePositions(pairs, model.config());
        this.model = model;
        this.pairs = List.copyOf(pairs);
        this.batchTokens = batchTokens;
    }

    /**
     * Some sequences as they lie in the stream.
     *
     * @param pair of each sequence, its number in the data
     * @param side of each sequence: 0 = aligned, 1 = unaligned
     * @param counted [sequences * length] which tokens are of an answer
     */
    record Batch(int[] pair, int[] side, boolean[] counted) {
        int length() {
            return counted.length / pair.length;
        }
    }

    /** Receives the residual stream after a layer, [sequences * length, d_model] F32, of use during the call alone. */
    @FunctionalInterface
    interface Listener {
        void take(Batch batch, int layer, Tensor stream);
    }

    /** @param layers whose streams are wanted */
    void run(SortedSet<Integer> layers, Listener listener, Progress progress) {
        List<TokenSequence> sequences = new ArrayList<>();
        pairs.forEach(pair -> sequences.add(pair.aligned()));
        pairs.forEach(pair -> sequences.add(pair.unaligned()));
        int[] lengths = sequences.stream().mapToInt(TokenSequence::length).toArray();
        try (ModelSession session = ModelSession.open(model)) {
            long tokens = 0;
            long done = 0;
            for (int[] indices : LengthBatches.byLength(lengths, batchTokens)) {
                List<TokenSequence> some = new ArrayList<>();
                for (int index : indices) {
                    some.add(sequences.get(index));
                }
                SequenceBatch rows = SequenceBatch.of(some, false);
                Batch batch = batch(indices, some, rows);
                session.forward(rows.tokens(), AdapterStack.none(), new ForwardOptions(false, layers.last(), (site, layer, value) -> {
                    if (site == Site.LAYER && layers.contains(layer)) {
                        listener.take(batch, layer, value);
                    }
                })).close();
                tokens += some.stream().mapToLong(TokenSequence::length).sum();
                done += indices.length;
                progress.update(done, sequences.size(), tokens);
            }
        }
    }

    private Batch batch(int[] indices, List<TokenSequence> sequences, SequenceBatch rows) {
        int[] pair = new int[indices.length];
        int[] side = new int[indices.length];
        boolean[] counted = new boolean[rows.tokens().size()];
        for (int i = 0; i < indices.length; i++) {
            pair[i] = indices[i] % pairs.size();
            side[i] = indices[i] / pairs.size();
            System.arraycopy(sequences.get(i).counted(), 0, counted, rows.starts()[i], sequences.get(i).length());
        }
        return new Batch(pair, side, counted);
    }
}
