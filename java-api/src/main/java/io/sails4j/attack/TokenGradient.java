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
import java.util.Arrays;
import java.util.Map;

/**
 * The gradient of a loss by the one-hot vectors of tokens (arXiv:2307.15043, section 2.2): the model embeds e as scale * E^T e, so that
 * d loss / d e = scale * E (d loss / d hidden.embed), a number for each token of the vocabulary at each place.
 */
final class TokenGradient {
    private TokenGradient() {
    }

    /**
     * Row by row [count, vocab_size], of the mean -log p of the last tokens.
     *
     * @param ids the whole sequence
     * @param from the first place whose gradient is wanted
     * @param count how many places
     * @param counted how many of the last tokens have a loss
     */
    static float[] of(ModelSession session, AdapterStack adapters, int[] ids, int from, int count, int counted) {
        CausalModel model = session.model();
        long width = model.config().dModel();
        try (TensorArena memory = new TensorArena(model.engine().device());
             ForwardPass pass = session.forward(TokenBatch.of(ids), adapters, ForwardOptions.training(RecomputePlan.none(), true))) {
            Tensor dEmbed = memory.allocate(DType.F32, count, width);
            session.backward(pass, top(model, pass, ids, counted, memory), new GradientTargets(Map.of(), -1, Map.of(), (site, _, value) -> {
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

    /** The gradient of the final norm's output [n, d_model] F32: only the places that predict a counted token have one. */
    private static Tensor top(CausalModel model, ForwardPass pass, int[] ids, int counted, TensorArena memory) {
        int first = ids.length - counted - 1;
        int[] targets = Arrays.copyOfRange(ids, first + 1, ids.length);
        Tensor top = memory.zeros(DType.F32, ids.length, model.config().dModel());
        model.engine().ops().head().headLoss(memory.allocate(DType.F32, counted), top.rows(first, counted), null,
            pass.finalNorm().rows(first, counted), model.weights().head(), memory.of(targets, counted),
            memory.of(Labels.weights(targets, 1f / counted), counted), (float) model.config().finalLogitSoftcap());
        return top;
    }
}
