package io.sails4j.explain;

import io.sails4j.explain.ExplainedFeature.TokenLogit;
import io.sails4j.model.CausalModel;
import io.sails4j.model.ModelWeights;
import io.sails4j.ops.Engine;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.List;

/**
 * Directions of the residual stream read as tokens: logit[v] = sum_j d[j] (o + w[j]) W_U[v, j], with w the final norm's weight, o the
 * family's offset of it, W_U the output matrix. The norm's division by the length and the soft cap are left out: both depend on the rest
 * of the stream and keep the order (nostalgebraist 2020, "interpreting GPT: the logit lens"; callummcdougall/sae_vis multiplies decoder
 * rows with a W_U into which TransformerLens has folded the norm's weight). No mean over the vocabulary is taken off.
 */
final class LogitLens {
    /** Rows of the output matrix that are looked at together. */
    private static final long BLOCK = 8192;

    private final CausalModel model;
    private final Engine engine;
    private final TokenNames names;

    LogitLens(CausalModel model, TokenNames names) {
        this.model = model;
        this.engine = model.engine();
        this.names = names;
    }

    /** The tokens whose logits a direction raises and lowers most, the strongest first. */
    record Ends(List<TokenLogit> promoted, List<TokenLogit> suppressed) {
    }

    /**
     * @param directions [n][d_model]
     * @param most tokens at either end
     */
    List<Ends> of(float[][] directions, int most) {
        List<Largest> raised = new ArrayList<>();
        List<Largest> lowered = new ArrayList<>();
        for (int i = 0; i < directions.length; i++) {
            raised.add(new Largest(most));
            lowered.add(new Largest(most));
        }
        if (most > 0 && directions.length > 0) {
            scan(directions, raised, lowered);
        }
        List<Ends> ends = new ArrayList<>();
        for (int i = 0; i < directions.length; i++) {
            ends.add(new Ends(raised.get(i).toList((id, logit) -> new TokenLogit(id, names.of(id), logit)),
                lowered.get(i).toList((id, logit) -> new TokenLogit(id, names.of(id), -logit))));
        }
        return ends;
    }

    private void scan(float[][] directions, List<Largest> raised, List<Largest> lowered) {
        Tensor head = model.weights().head();
        try (TensorArena memory = new TensorArena(engine.device())) {
            Tensor scaled = memory.of(scaledByNorm(directions), directions.length, model.config().dModel());
            for (long from = 0; from < head.dim(0); from += BLOCK) {
                TensorArena.Mark mark = memory.mark();
                Tensor rows = inF32(head.rows(from, Math.min(BLOCK, head.dim(0) - from)), memory);
                Tensor logits = memory.allocate(DType.F32, directions.length, rows.dim(0));
                engine.ops().matmul().matmul(logits, scaled, rows, false, true, 1, 0);
                float[] values = logits.toFloatArray();
                int width = (int) rows.dim(0);
                for (int i = 0; i < values.length; i++) {
                    int id = (int) from + i % width;
                    raised.get(i / width).offer(id, values[i]);
                    lowered.get(i / width).offer(id, -values[i]);
                }
                memory.release(mark);
            }
        }
    }

    private Tensor inF32(Tensor rows, TensorArena memory) {
        if (rows.dtype() == DType.F32) {
            return rows;
        }
        Tensor converted = memory.allocate(DType.F32, rows.dim(0), rows.dim(1));
        engine.ops().elementwise().convert(converted, rows);
        return converted;
    }

    private float[] scaledByNorm(float[][] directions) {
        float[] weight = model.weights().parameter(ModelWeights.FINAL_NORM).toFloatArray();
        float offset = model.config().family().normOffset();
        float[] scaled = new float[directions.length * weight.length];
        for (int i = 0; i < scaled.length; i++) {
            int j = i % weight.length;
            scaled[i] = directions[i / weight.length][j] * (offset + weight[j]);
        }
        return scaled;
    }
}
