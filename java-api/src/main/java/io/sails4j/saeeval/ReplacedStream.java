package io.sails4j.saeeval;

import io.sails4j.model.AdapterStack;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.model.ModelSession;
import io.sails4j.model.Site;
import io.sails4j.model.StreamEdit;
import io.sails4j.model.TokenBatch;
import io.sails4j.sae.Sae;
import io.sails4j.stats.LogSumExp;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import io.sails4j.utility.Divergence;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/** Predicts texts with something else in the place of the residual stream after a layer, at all tokens but the first. */
final class ReplacedStream {
    /** What takes the stream's place: its reconstruction, zeros, the mean. */
    private final List<StreamEdit> edits = new ArrayList<>();
    private final ModelSession session;
    private final int vocab;
    private final double[] losses;
    private final double[] divergences;
    private double loss;
    private long tokens;

    ReplacedStream(ModelSession session, Sae sae, int layer, float[] mean) {
        this.session = session;
        this.vocab = Math.toIntExact(session.model().config().vocabSize());
        edits.add(after(layer, (rest, memory) -> rest.copyFrom(sae.decode(sae.encode(rest, memory), memory))));
        edits.add(after(layer, (rest, _) -> rest.fillZero()));
        edits.add(after(layer, (rest, memory) -> {
            rest.fillZero();
            session.model().engine().ops().elementwise().addRow(rest, rest, memory.of(mean, mean.length), 1);
        }));
        losses = new double[edits.size()];
        divergences = new double[edits.size()];
    }

    private interface Replacement {
        void replace(Tensor rest, TensorArena memory);
    }

    private static StreamEdit after(int layer, Replacement replacement) {
        return (site, at, stream, memory) -> {
            if (site == Site.LAYER && at == layer) {
                replacement.replace(stream.rows(1, stream.dim(0) - 1), memory);
            }
        };
    }

    /** Adds a text; the token after the first is not counted, since nothing was replaced before it. */
    void add(int[] ids) {
        if (ids.length < 3) {
            return;
        }
        float[] own = logits(ids, null);
        int rows = ids.length - 2;
        tokens += rows;
        loss += IntStream.range(0, rows).mapToDouble(r -> loss(own, r, ids[r + 2])).sum();
        for (int e = 0; e < edits.size(); e++) {
            float[] changed = logits(ids, edits.get(e));
            losses[e] += IntStream.range(0, rows).mapToDouble(r -> loss(changed, r, ids[r + 2])).sum();
            divergences[e] += IntStream.range(0, rows).mapToDouble(r -> Divergence.between(own, changed, r * vocab, vocab)).sum();
        }
    }

    private float[] logits(int[] ids, @Nullable StreamEdit edit) {
        try (ForwardPass pass = session.forward(TokenBatch.of(ids), AdapterStack.none(), ForwardOptions.inference().withEdit(edit))) {
            return session.logits(pass, IntStream.range(1, ids.length - 1).toArray()).toFloatArray();
        }
    }

    private double loss(float[] logits, int row, int target) {
        return LogSumExp.of(logits, row * vocab, vocab) - logits[row * vocab + target];
    }

    @Nullable
    ModelMeasures measures() {
        return tokens == 0 ? null : new ModelMeasures(tokens, loss / tokens, losses[0] / tokens, losses[1] / tokens, losses[2] / tokens,
            divergences[0] / tokens, divergences[1] / tokens);
    }
}
