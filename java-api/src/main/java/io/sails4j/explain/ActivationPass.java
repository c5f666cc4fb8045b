package io.sails4j.explain;

import io.sails4j.data.Progress;
import io.sails4j.data.TokenSequence;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ModelSession;
import io.sails4j.model.Site;
import io.sails4j.objective.LengthBatches;
import io.sails4j.objective.SequenceBatch;
import io.sails4j.sae.Sae;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Arrays;
import java.util.List;
import java.util.SortedMap;
import java.util.stream.IntStream;

/**
 * Runs sequences through a model once and hands on, for each SAE's layer and each sequence, the active features of the tokens that are
 * asked for. Only those tokens are encoded: on the first token of a text, and on padding, thousands of features may be active.
 */
final class ActivationPass {
    private final CausalModel model;
    private final SortedMap<Integer, Sae> saes;
    private final int batchTokens;

    ActivationPass(CausalModel model, SortedMap<Integer, Sae> saes, int batchTokens) {
        this.model = model;
        this.saes = saes;
        this.batchTokens = batchTokens;
    }

    /** Sees what is active in one sequence after one layer. */
    @FunctionalInterface
    interface Visitor {
        void visit(int layer, int sequence, Activations activations);
    }

    /**
     * @param asked for each sequence which of its tokens are encoded
     * @param visitor called for all sequences of a batch, layer by layer
     */
    void run(List<TokenSequence> sequences, List<boolean[]> asked, AdapterStack adapters, Visitor visitor, Progress progress) {
        int[] lengths = sequences.stream().mapToInt(TokenSequence::length).toArray();
        long done = 0;
        long tokens = 0;
        try (ModelSession session = ModelSession.open(model); TensorArena memory = new TensorArena(model.engine().device())) {
            for (int[] batch : LengthBatches.byLength(lengths, batchTokens)) {
                run(batch, sequences, asked, adapters, visitor, session, memory);
                done += batch.length;
                tokens += Arrays.stream(batch).mapToLong(i -> lengths[i]).sum();
                progress.update(done, sequences.size(), tokens);
            }
        }
    }

    private void run(int[] indices, List<TokenSequence> all, List<boolean[]> asked, AdapterStack adapters, Visitor visitor,
        ModelSession session, TensorArena memory) {
        SequenceBatch batch = SequenceBatch.of(Arrays.stream(indices).mapToObj(all::get).toList(), false);
        int[][] positions = Arrays.stream(indices).mapToObj(i -> positions(asked.get(i))).toArray(int[][]::new);
        int[] rows = IntStream.range(0, indices.length)
            .flatMap(i -> Arrays.stream(positions[i]).map(position -> batch.starts()[i] + position)).toArray();
        if (rows.length == 0) {
            return;
        }
        session.forward(batch.tokens(), adapters, new ForwardOptions(false, saes.lastKey(), (site, layer, stream) -> {
            Sae sae = site == Site.LAYER ? saes.get(layer) : null;
            if (sae != null) {
                Activations.Codes codes = encode(sae, stream, rows, memory);
                int from = 0;
                for (int i = 0; i < indices.length; i++) {
                    visitor.visit(layer, indices[i], new Activations(positions[i], codes, from));
                    from += positions[i].length;
                }
            }
        })).close();
    }

    private Activations.Codes encode(Sae sae, Tensor stream, int[] rows, TensorArena memory) {
        memory.reset();
        Tensor chosen = memory.allocate(DType.F32, rows.length, stream.dim(1));
        model.engine().ops().elementwise().gatherRows(chosen, stream, memory.of(rows, rows.length));
        return Activations.Codes.of(sae.encode(chosen, memory));
    }

    private static int[] positions(boolean[] asked) {
        return IntStream.range(0, asked.length).filter(t -> asked[t]).toArray();
    }
}
