package io.sails4j.attack;

import io.sails4j.model.AdapterStack;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.model.GradientTargets;
import io.sails4j.model.Labels;
import io.sails4j.model.ModelSession;
import io.sails4j.model.RecomputePlan;
import io.sails4j.model.Site;
import io.sails4j.model.TokenBatch;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.Map;
import java.util.Objects;

/**
 * The gradient of a loss by the one-hot vectors of tokens (arXiv:2307.15043, section 2.2): the model embeds e as scale * E^T e, so that
 * d loss / d e = scale * E (d loss / d hidden.embed), a number for each token of the vocabulary at each place.
 */
final class TokenGradient {
    private TokenGradient() {
    }

    /**
     * Row by row [count, vocab_size], of the mean -log p of all counted tokens of the batch.
     *
     * @param batch with targets
     * @param from the first place whose gradient is wanted, counted over the rows of the batch
     * @param count how many places
     */
    static float[] of(ModelSession session, AdapterStack adapters, TokenBatch batch, int from, int count) {
        CausalModel model = session.model();
        long width = model.config().dModel();
        try (TensorArena memory = new TensorArena(model.engine().device());
             ForwardPass pass = session.forward(batch, adapters, ForwardOptions.training(RecomputePlan.none(), true))) {
            Tensor dEmbed = memory.allocate(DType.F32, count, width);
            session.backward(pass, top(model, pass, memory), new GradientTargets(Map.of(), -1, Map.of(), (site, _, value) -> {
                if (site == Site.EMBED) {
                    dEmbed.copyFrom(value.rows(from, count));
                }
            }));
            Tensor typed = memory.allocate(model.computeDtype(), count, width);
            model.engine().ops().elementwise().convert(typed, dEmbed);
            Tensor gradient = memory.allocate(DType.F32, count, model.config().vocabSize());
            model.engine().ops().matmul().matmul(gradient, typed, model.weights().embedTokens(), false, true, model.embeddingScale(), 0);
            return gradient.toFloatArray();
        }
    }

    /** The gradient of the final norm's output [n, d_model] F32. */
    private static Tensor top(CausalModel model, ForwardPass pass, TensorArena memory) {
        int n = pass.batch().size();
        int[] targets = Objects.requireNonNull(pass.batch().targets(), "the batch has no targets");
        Tensor top = memory.allocate(DType.F32, n, model.config().dModel());
        model.engine().ops().head().headLoss(memory.allocate(DType.F32, n), top, null, pass.finalNorm(), model.weights().head(),
            memory.of(targets, n), memory.of(Labels.weights(targets, 1f / Labels.count(targets)), n),
            (float) model.config().finalLogitSoftcap());
        return top;
    }
}
