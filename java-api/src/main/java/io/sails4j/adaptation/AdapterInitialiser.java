package io.sails4j.adaptation;

import io.sails4j.InputException;
import io.sails4j.align.AdapterOptions;
import io.sails4j.align.AdapterVariant;
import io.sails4j.align.AlignOptions;
import io.sails4j.align.Fill;
import io.sails4j.align.Method;
import io.sails4j.config.ModelConfig;
import io.sails4j.config.ModuleKey;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.LoraConfig;
import io.sails4j.model.CausalModel;
import io.sails4j.model.LowRankAdapter;
import io.sails4j.subspace.SafetySubspace;
import io.sails4j.tensor.Device;
import io.sails4j.tensor.TensorArena;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;
import org.jspecify.annotations.Nullable;

/**
 * Starts adapters in the safety subspace: a module that writes to the residual stream gets lora_B = U, lora_A = 0; one that reads from
 * it lora_A = U^T, lora_B = 0. Either way the model is unchanged at the start. A layer without an SAE uses the nearest one's subspace.
 */
public final class AdapterInitialiser {
    private AdapterInitialiser() {
    }

    /** An adapter in the subspace, of rank min(r, r_s) where {@code fill} is {@code TRUNCATE}. */
    public static LoraAdapter inSubspace(SafetySubspace subspace, ModelConfig model, AlignOptions options, String baseModel,
        Device device) {
        LoraConfig config = config(subspace, model, options, baseModel);
        LoraAdapter adapter = LoraAdapter.create(config, model, device);
        adapter.modules().forEach((module, factors) -> {
            SafetySubspace.Layer layer = subspace.nearest(module.layer());
            float[] basis = columns(layer, config.rank(module), options.training().seed());
            if (module.projection().writesResidual()) {
                factors.loraB().upload(basis);
            } else {
                factors.loraA().upload(transposed(basis, config.rank(module)));
            }
        });
        return adapter;
    }

    /** The subspace that a {@link Method#SAILS} is trained in. */
    public static SafetySubspace needed(@Nullable SafetySubspace subspace) {
        if (subspace == null) {
            throw new InputException("the method 'sails' needs a safety subspace");
        }
        return subspace;
    }

    /** @param subspace null: its dimensions are taken to be at least r */
    static LoraConfig config(@Nullable SafetySubspace subspace, ModelConfig model, AlignOptions options, String baseModel) {
        if (options.adapter().r() > model.dModel()) {
            throw new InputException("the LoRA rank is " + options.adapter().r() + ", more than the model's d_model of " + model.dModel());
        }
        LoraConfig asked = options.adapter().config(model, baseModel);
        if (subspace == null || options.constraint().fill() == Fill.COMPLEMENT) {
            return asked;
        }
        Map<ModuleKey, Integer> ranks = new HashMap<>(asked.rankPattern());
        Map<ModuleKey, Double> alphas = new HashMap<>(asked.alphaPattern());
        for (ModuleKey module : asked.modules()) {
            int dimension = subspace.nearest(module.layer()).dimension();
            int r = asked.rank(module);
            if (dimension < r) {
                ranks.put(module, dimension);
                // The scale stays what was asked for.
                double share = (double) dimension / r;
                alphas.put(module, asked.alpha(module) * (asked.rsLora() ? Math.sqrt(share) : share));
            }
        }
        return new LoraConfig(options.adapter().r(), options.adapter().loraAlpha(), asked.rsLora(), false, asked.modules(), ranks, alphas,
            baseModel);
    }

    /** The first r basis vectors [d_model, r], completed by an orthonormal complement where there are fewer. */
    private static float[] columns(SafetySubspace.Layer layer, int r, long seed) {
        int d = layer.dModel();
        int known = Math.min(r, layer.dimension());
        double[][] columns = new double[r][d];
        for (int c = 0; c < known; c++) {
            for (int i = 0; i < d; i++) {
                columns[c][i] = layer.basis()[i * layer.dimension() + c];
            }
        }
        // The complement must avoid the whole subspace, of which all dimensions are kept when r exceeds them.
        Random random = new Random(seed);
        for (int c = known; c < r; c++) {
            for (int i = 0; i < d; i++) {
                columns[c][i] = random.nextGaussian();
            }
            orthonormalise(columns, c);
        }
        float[] out = new float[d * r];
        for (int i = 0; i < out.length; i++) {
            out[i] = (float) columns[i % r][i / r];
        }
        return out;
    }

    /** Gram-Schmidt of one column against those before it, twice for accuracy. */
    private static void orthonormalise(double[][] columns, int c) {
        for (int pass = 0; pass < 2; pass++) {
            for (int p = 0; p < c; p++) {
                double dot = 0;
                for (int i = 0; i < columns[c].length; i++) {
                    dot += columns[p][i] * columns[c][i];
                }
                for (int i = 0; i < columns[c].length; i++) {
                    columns[c][i] -= dot * columns[p][i];
                }
            }
        }
        double norm = 0;
        for (double x : columns[c]) {
            norm += x * x;
        }
        for (int i = 0; i < columns[c].length; i++) {
            columns[c][i] /= Math.sqrt(norm);
        }
    }

    private static float[] transposed(float[] matrix, int cols) {
        int rows = matrix.length / cols;
        float[] out = new float[matrix.length];
        for (int i = 0; i < rows; i++) {
            for (int j = 0; j < cols; j++) {
                out[j * rows + i] = matrix[i * cols + j];
            }
        }
        return out;
    }

    /**
     * A plain adapter as PEFT starts it: lora_A uniform in +-1/sqrt(d_in) (Kaiming with a = sqrt 5), lora_B = 0; or orthogonally. With DoRA
     * the rows have the lengths that they have: the model is unchanged at the start.
     */
    public static LoraAdapter plain(CausalModel model, AdapterOptions options, long seed, String baseModel) {
        LoraAdapter adapter = plain(model.config(), options, seed, baseModel, model.engine().device());
        adapter.modules().forEach((module, f) -> {
            if (f.dora() != null) {
                try (TensorArena memory = new TensorArena(model.engine().device())) {
                    model.engine().ops().linear().doraNorm(f.dora().magnitude(), model.weights().dense(module.path() + ".weight", memory),
                        f.loraA(), f.loraB(), f.scale());
                }
            }
        });
        return adapter;
    }

    static LoraAdapter plain(ModelConfig model, AdapterOptions options, long seed, String baseModel, Device device) {
        LoraConfig config = options.config(model, baseModel);
        boolean orthogonal = options.variant().init() == AdapterVariant.Init.ORTHOGONAL;
        for (ModuleKey module : config.modules()) {
            if (orthogonal && config.rank(module) % 2 != 0) {
                throw new InputException("the orthogonal start needs even ranks, " + module.path() + " has " + config.rank(module));
            }
        }
        LoraAdapter adapter = LoraAdapter.create(config, model, device);
        Random random = new Random(seed);
        adapter.modules().forEach((module, factors) -> {
            if (orthogonal) {
                startOrthogonally(factors, random);
                return;
            }
            float bound = (float) (1 / Math.sqrt(factors.loraA().dim(1)));
            float[] values = new float[Math.toIntExact(factors.loraA().numel())];
            for (int i = 0; i < values.length; i++) {
                values[i] = (2 * random.nextFloat() - 1) * bound;
            }
            factors.loraA().upload(values);
        });
        return adapter;
    }

    /**
     * With the rows q_0, q_1, ... of a random orthogonal [r, r]: lora_A = (X [q_0; q_2; ...])^T / 10, lora_B = Y [q_1; q_3; ...] / 10, X
     * [d_in, r/2] and Y [d_out, r/2] normal. Rows of either kind are orthogonal to the other, so lora_B lora_A = 0.
     */
    private static void startOrthogonally(LowRankAdapter factors, Random random) {
        int r = (int) factors.r();
        double[][] q = new double[r][r];
        for (int i = 0; i < r; i++) {
            for (int j = 0; j < r; j++) {
                q[i][j] = random.nextGaussian();
            }
            orthonormalise(q, i);
        }
        factors.loraB().upload(products(q, 1, (int) factors.loraB().dim(0), random));
        factors.loraA().upload(transposed(products(q, 0, (int) factors.loraA().dim(1), random), r));
    }

    /** [rows, r] = N(0, 1) [rows, r/2] times every other row of q, from {@code first} on, over 10. */
    private static float[] products(double[][] q, int first, int rows, Random random) {
        int r = q.length;
        float[] out = new float[rows * r];
        for (int i = 0; i < rows; i++) {
            double[] row = new double[r];
            for (int k = first; k < r; k += 2) {
                double x = random.nextGaussian() / 10;
                for (int j = 0; j < r; j++) {
                    row[j] += x * q[k][j];
                }
            }
            for (int j = 0; j < r; j++) {
                out[i * r + j] = (float) row[j];
            }
        }
        return out;
    }
}
