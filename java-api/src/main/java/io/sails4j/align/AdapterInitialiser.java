package io.sails4j.align;

import io.sails4j.io.InputException;
import io.sails4j.lora.LoraAdapter;
import io.sails4j.lora.LoraConfig;
import io.sails4j.model.ModelConfig;
import io.sails4j.model.ModuleKey;
import io.sails4j.tensor.Device;
import java.util.HashMap;
import java.util.Map;
import java.util.Random;

/**
 * Starts adapters in the safety subspace: a module that writes to the residual stream gets lora_B = U, lora_A = 0; one that reads from
 * it lora_A = U^T, lora_B = 0. Either way the model is unchanged at the start. A layer without an SAE uses the nearest one's subspace.
 */
public final class AdapterInitialiser {
    private AdapterInitialiser() {
    }

    /** An adapter in the subspace, of rank min(r, r_s) where {@code fill} is {@code TRUNCATE}. */
    public static LoraAdapter inSubspace(SafetySubspace subspace, ModelConfig model, AlignOptions options, String baseModel, Device device) {
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

    private static LoraConfig config(SafetySubspace subspace, ModelConfig model, AlignOptions options, String baseModel) {
        if (options.r() > model.dModel()) {
            throw new InputException("the LoRA rank is " + options.r() + ", more than the model's d_model of " + model.dModel());
        }
        LoraConfig uniform = LoraConfig.uniform(model, options.targets(), options.r(), options.alpha(), baseModel);
        if (options.fill() == AlignOptions.Fill.COMPLEMENT) {
            return uniform;
        }
        Map<ModuleKey, Integer> ranks = new HashMap<>();
        Map<ModuleKey, Double> alphas = new HashMap<>();
        for (ModuleKey module : uniform.modules()) {
            int dimension = subspace.nearest(module.layer()).dimension();
            if (dimension < options.r()) {
                ranks.put(module, dimension);
                // The scale alpha / r stays what was asked for.
                alphas.put(module, options.alpha() * dimension / options.r());
            }
        }
        return new LoraConfig(options.r(), options.alpha(), false, uniform.modules(), ranks, alphas, baseModel);
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

    /** A plain adapter as PEFT starts it: lora_A uniform in +-1/sqrt(d_in) (Kaiming with a = sqrt 5), lora_B = 0. */
    public static LoraAdapter plain(ModelConfig model, AlignOptions options, String baseModel, Device device) {
        LoraAdapter adapter = LoraAdapter.create(LoraConfig.uniform(model, options.targets(), options.r(), options.alpha(), baseModel), model, device);
        Random random = new Random(options.training().seed());
        adapter.modules().forEach((module, factors) -> {
            float bound = (float) (1 / Math.sqrt(factors.loraA().dim(1)));
            float[] values = new float[Math.toIntExact(factors.loraA().numel())];
            for (int i = 0; i < values.length; i++) {
                values[i] = (2 * random.nextFloat() - 1) * bound;
            }
            factors.loraA().upload(values);
        });
        return adapter;
    }
}
