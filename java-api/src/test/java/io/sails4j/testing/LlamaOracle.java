package io.sails4j.testing;

import io.sails4j.config.ModelConfig;
import io.sails4j.config.RopeScaling;
import io.sails4j.model.CausalModel;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * Llama-3 in scalar double, written from the formulas of arXiv:2407.21783, arXiv:1910.07467 (RMSNorm), arXiv:2104.09864 (RoPE),
 * arXiv:2002.05202 (SwiGLU) and transformers' _compute_llama3_parameters. Slow on purpose.
 *
 * @param weights by their names in the checkpoint, row-major
 */
public record LlamaOracle(ModelConfig config, Map<String, double[]> weights) {
    /** With the weights that a model has now. */
    public static LlamaOracle of(CausalModel model) {
        Map<String, double[]> weights = new LinkedHashMap<>();
        model.weights().parameters().forEach((name, tensor) -> {
            float[] values = tensor.toFloatArray();
            weights.put(name, IntStream.range(0, values.length).mapToDouble(i -> values[i]).toArray());
        });
        return new LlamaOracle(model.config(), weights);
    }

    /** Changes the residual stream [length][d_model] behind a layer, -1 = behind the embedding. */
    @FunctionalInterface
    public interface Change {
        void apply(int layer, double[][] stream);
    }

    /** Logits [length][vocab_size] of one sequence. */
    public double[][] logits(int[] ids) {
        return logits(ids, (_, _) -> {});
    }

    /** The same where the residual stream is changed. */
    public double[][] logits(int[] ids, Change change) {
        int d = (int) config.dModel();
        double[] embedding = weights.get("model.embed_tokens.weight");
        double[][] x = new double[ids.length][d];
        for (int t = 0; t < ids.length; t++) {
            System.arraycopy(embedding, ids[t] * d, x[t], 0, d);
        }
        change.apply(-1, x);
        for (int layer = 0; layer < config.nLayers(); layer++) {
            String block = "model.layers." + layer + ".";
            double[][] attended = attention(block + "self_attn.", normed(x, block + "input_layernorm.weight"));
            add(x, linear(attended, block + "self_attn.o_proj.weight"));
            double[][] h = normed(x, block + "post_attention_layernorm.weight");
            double[][] gate = linear(h, block + "mlp.gate_proj.weight");
            double[][] up = linear(h, block + "mlp.up_proj.weight");
            for (int t = 0; t < ids.length; t++) {
                for (int i = 0; i < gate[t].length; i++) {
                    gate[t][i] = gate[t][i] / (1 + Math.exp(-gate[t][i])) * up[t][i];
                }
            }
            add(x, linear(gate, block + "mlp.down_proj.weight"));
            change.apply(layer, x);
        }
        String head = weights.containsKey("lm_head.weight") ? "lm_head.weight" : "model.embed_tokens.weight";
        return linear(normed(x, "model.norm.weight"), head);
    }

    /** Mean of -log p of every token after the first. */
    public double loss(int[] ids) {
        double[][] logits = logits(ids);
        double sum = 0;
        for (int t = 0; t + 1 < ids.length; t++) {
            sum -= logSoftmax(logits[t])[ids[t + 1]];
        }
        return sum / (ids.length - 1);
    }

    /** log p of each token, from the logits of one position. */
    public static double[] logSoftmax(double[] logits) {
        double total = 0;
        for (double logit : logits) {
            total += Math.exp(logit);
        }
        double log = Math.log(total);
        return Arrays.stream(logits).map(logit -> logit - log).toArray();
    }

    private double[][] attention(String name, double[][] x) {
        int width = config.headDim();
        int group = config.nHeads() / config.nKvHeads();
        double[][] q = turned(linear(x, name + "q_proj.weight"));
        double[][] k = turned(linear(x, name + "k_proj.weight"));
        double[][] v = linear(x, name + "v_proj.weight");
        double[][] out = new double[x.length][q[0].length];
        for (int t = 0; t < x.length; t++) {
            for (int head = 0; head < config.nHeads(); head++) {
                int from = head / group * width;
                double total = 0;
                for (int s = 0; s <= t; s++) {
                    double score = 0;
                    for (int i = 0; i < width; i++) {
                        score += q[t][head * width + i] * k[s][from + i];
                    }
                    double e = Math.exp(score / Math.sqrt(width));
                    total += e;
                    for (int i = 0; i < width; i++) {
                        out[t][head * width + i] += e * v[s][from + i];
                    }
                }
                for (int i = 0; i < width; i++) {
                    out[t][head * width + i] /= total;
                }
            }
        }
        return out;
    }

    /** RoPE: in each head, entry j and entry j + half are a complex number, turned by position times frequency. */
    private double[][] turned(double[][] x) {
        int half = config.headDim() / 2;
        double[][] y = new double[x.length][x[0].length];
        for (int t = 0; t < x.length; t++) {
            for (int i = 0; i < x[t].length; i++) {
                int j = i % config.headDim();
                double angle = t * frequency(j % half);
                y[t][i] = x[t][i] * Math.cos(angle) + (j < half ? -x[t][i + half] : x[t][i - half]) * Math.sin(angle);
            }
        }
        return y;
    }

    private double frequency(int j) {
        double plain = 1 / Math.pow(config.ropeTheta(), 2.0 * j / config.headDim());
        if (!(config.ropeScaling() instanceof RopeScaling.Llama3(double factor, double low, double high, double original))) {
            return plain;
        }
        // How often the wave fits into the original context: rarely = stretched, often = kept, between = in proportion.
        double turns = original * plain / (2 * Math.PI);
        double kept = Math.clamp((turns - low) / (high - low), 0, 1);
        return kept * plain + (1 - kept) * plain / factor;
    }

    private double[][] normed(double[][] x, String weight) {
        double[] w = weights.get(weight);
        double[][] y = new double[x.length][w.length];
        for (int t = 0; t < x.length; t++) {
            double squares = 0;
            for (double value : x[t]) {
                squares += value * value;
            }
            double rms = Math.sqrt(squares / w.length + config.rmsNormEps());
            for (int i = 0; i < w.length; i++) {
                y[t][i] = x[t][i] / rms * w[i];
            }
        }
        return y;
    }

    private double[][] linear(double[][] x, String weight) {
        double[] w = weights.get(weight);
        int in = x[0].length;
        double[][] y = new double[x.length][w.length / in];
        for (int t = 0; t < x.length; t++) {
            for (int o = 0; o < y[t].length; o++) {
                for (int i = 0; i < in; i++) {
                    y[t][o] += x[t][i] * w[o * in + i];
                }
            }
        }
        return y;
    }

    private static void add(double[][] x, double[][] y) {
        for (int t = 0; t < x.length; t++) {
            for (int i = 0; i < x[t].length; i++) {
                x[t][i] += y[t][i];
            }
        }
    }
}
