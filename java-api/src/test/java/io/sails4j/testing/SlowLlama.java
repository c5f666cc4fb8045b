package io.sails4j.testing;

import io.sails4j.config.ModelConfig;
import io.sails4j.model.CausalModel;
import java.util.Arrays;

/**
 * Llama-3 for one sequence in scalars and double, written from arXiv:2302.13971 section 2.2 (RMSNorm before, SwiGLU, RoPE), with grouped
 * queries (arXiv:2305.13245).
 */
public final class SlowLlama {
    private final CausalModel model;
    private final ModelConfig config;

    public SlowLlama(CausalModel model) {
        this.model = model;
        this.config = model.config();
    }

    /** Changes the residual stream of all tokens behind a layer, -1 = behind the embedding. */
    @FunctionalInterface
    public interface Change {
        void apply(int layer, double[][] stream);
    }

    /** [n_tokens, vocab_size] */
    public double[][] logits(int[] ids, Change change) {
        float[] embedding = values("model.embed_tokens.weight");
        int d = (int) config.dModel();
        double[][] stream = new double[ids.length][d];
        for (int t = 0; t < ids.length; t++) {
            for (int i = 0; i < d; i++) {
                stream[t][i] = embedding[ids[t] * d + i];
            }
        }
        change.apply(-1, stream);
        for (int layer = 0; layer < config.nLayers(); layer++) {
            String path = "model.layers." + layer + ".";
            add(stream, attention(path + "self_attn.", normed(stream, path + "input_layernorm.weight")));
            add(stream, gated(path + "mlp.", normed(stream, path + "post_attention_layernorm.weight")));
            change.apply(layer, stream);
        }
        return map("lm_head.weight", normed(stream, "model.norm.weight"));
    }

    /** ln softmax of a row. */
    public static double[] logSoftmax(double[] logits) {
        double most = Arrays.stream(logits).max().orElseThrow();
        double log = most + Math.log(Arrays.stream(logits).map(x -> Math.exp(x - most)).sum());
        return Arrays.stream(logits).map(x -> x - log).toArray();
    }

    private float[] values(String name) {
        return model.weights().parameter(name).toFloatArray();
    }

    private static void add(double[][] to, double[][] what) {
        for (int t = 0; t < to.length; t++) {
            for (int i = 0; i < to[t].length; i++) {
                to[t][i] += what[t][i];
            }
        }
    }

    private double[][] normed(double[][] x, String name) {
        float[] weight = values(name);
        return Arrays.stream(x).map(row -> {
            double scale = 1 / Math.sqrt(Arrays.stream(row).map(v -> v * v).sum() / row.length + config.rmsNormEps());
            double[] y = new double[row.length];
            Arrays.setAll(y, i -> row[i] * scale * weight[i]);
            return y;
        }).toArray(double[][]::new);
    }

    private double[][] map(String name, double[][] x) {
        float[] weight = values(name);
        return Arrays.stream(x).map(row -> {
            double[] y = new double[weight.length / row.length];
            for (int o = 0; o < y.length; o++) {
                for (int i = 0; i < row.length; i++) {
                    y[o] += (double) weight[o * row.length + i] * row[i];
                }
            }
            return y;
        }).toArray(double[][]::new);
    }

    /** Pairs (i, i + head_dim / 2), as transformers turns them. */
    private void rotate(double[][] x, int heads) {
        int half = config.headDim() / 2;
        for (int t = 0; t < x.length; t++) {
            for (int h = 0; h < heads; h++) {
                for (int j = 0; j < half; j++) {
                    double angle = t * Math.pow(config.ropeTheta(), -2.0 * j / config.headDim());
                    int at = h * config.headDim() + j;
                    double a = x[t][at];
                    double b = x[t][at + half];
                    x[t][at] = a * Math.cos(angle) - b * Math.sin(angle);
                    x[t][at + half] = b * Math.cos(angle) + a * Math.sin(angle);
                }
            }
        }
    }

    private double[][] attention(String path, double[][] x) {
        double[][] q = map(path + "q_proj.weight", x);
        double[][] k = map(path + "k_proj.weight", x);
        double[][] v = map(path + "v_proj.weight", x);
        rotate(q, config.nHeads());
        rotate(k, config.nKvHeads());
        double[][] z = new double[x.length][q[0].length];
        for (int t = 0; t < x.length; t++) {
            for (int h = 0; h < config.nHeads(); h++) {
                attend(z[t], q[t], k, v, t, h);
            }
        }
        return map(path + "o_proj.weight", z);
    }

    private void attend(double[] z, double[] q, double[][] k, double[][] v, int t, int head) {
        int width = config.headDim();
        int of = head / (config.nHeads() / config.nKvHeads()) * width;
        double[] scores = new double[t + 1];
        for (int s = 0; s <= t; s++) {
            for (int i = 0; i < width; i++) {
                scores[s] += q[head * width + i] * k[s][of + i] / Math.sqrt(width);
            }
        }
        double[] weights = logSoftmax(scores);
        for (int s = 0; s <= t; s++) {
            for (int i = 0; i < width; i++) {
                z[head * width + i] += Math.exp(weights[s]) * v[s][of + i];
            }
        }
    }

    private double[][] gated(String path, double[][] x) {
        double[][] gate = map(path + "gate_proj.weight", x);
        double[][] up = map(path + "up_proj.weight", x);
        for (int t = 0; t < x.length; t++) {
            for (int i = 0; i < up[t].length; i++) {
                up[t][i] *= gate[t][i] / (1 + Math.exp(-gate[t][i]));
            }
        }
        return map(path + "down_proj.weight", up);
    }
}
