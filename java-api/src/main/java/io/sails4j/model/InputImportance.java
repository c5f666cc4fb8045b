package io.sails4j.model;

import io.sails4j.config.Projection;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * How much an error in a column of each matrix counts on given texts: the mean square of what the matrix multiplies there. The columns that
 * matter most are those of the largest inputs (AWQ, arXiv:2306.00978 section 3.1). AWQ then rescales these columns and folds the factors
 * into what comes before; that would change what an adapter of the model sees, and so they weight the error that a group's scale makes
 * least instead (as llama.cpp's importance matrices do).
 */
public final class InputImportance {
    /** Of the mean over the columns: what no text has used is not lost altogether. */
    private static final double FLOOR = 1e-3;

    private final Map<String, double[]> sums = new LinkedHashMap<>();
    private long tokens;

    /** Nothing is known yet. */
    public InputImportance() {
    }

    /** Adds the inputs of one text, by a session of a model whose weights are not packed. */
    public void add(ModelSession session, int[] ids) {
        CausalModel model = session.model();
        try (ForwardPass pass = session.forward(TokenBatch.of(ids), AdapterStack.none(), ForwardOptions.training())) {
            for (int layer = 0; layer < pass.blocks().size(); layer++) {
                Map<Projection, Linear.Saved> linears = Objects.requireNonNull(pass.blocks().get(layer).saved()).linears();
                for (Map.Entry<Projection, Linear.Saved> linear : linears.entrySet()) {
                    add(linear.getKey().modulePath(layer) + ".weight", linear.getValue().input());
                }
            }
            add(ModelWeights.headName(model.config()), pass.finalNorm());
        }
        tokens += ids.length;
    }

    private void add(String name, Tensor input) {
        float[] values = input.toHost().toFloatArray();
        int width = (int) input.dim(-1);
        double[] sum = sums.computeIfAbsent(name, _ -> new double[width]);
        for (int at = 0; at < values.length; at += width) {
            for (int j = 0; j < width; j++) {
                sum[j] += (double) values[at + j] * values[at + j];
            }
        }
    }

    /** Tokens that were added. */
    public long tokens() {
        return tokens;
    }

    /** [columns] F32 of a matrix by its name, in {@code memory}; null where nothing is known of it, as of an embedding that is no head. */
    @Nullable
    Tensor of(String name, TensorArena memory) {
        double[] sum = sums.get(name);
        if (sum == null) {
            return null;
        }
        double mean = 0;
        for (double value : sum) {
            mean += value / sum.length;
        }
        float[] weights = new float[sum.length];
        for (int j = 0; j < weights.length; j++) {
            weights[j] = mean == 0 ? 1 : (float) (sum[j] / mean + FLOOR);
        }
        return memory.of(weights, weights.length);
    }
}
