package io.sails4j.saetrain;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/** The objectives written out in double, one vector after another. What an objective holds still is held still here by {@link #freeze}. */
final class SaeReference {
    private final SaeTrainOptions options;
    private final int dIn;
    private final int width;
    private final double[][] x;
    private final Map<String, double[]> p;
    private final boolean[] dead;
    private double[] frozenDecoder = new double[0];
    private double[] frozenBias = new double[0];
    private double[][] frozenError = new double[0][];
    private boolean[][] frozenActive = new boolean[0][];

    SaeReference(SaeTrainOptions options, int dIn, double[][] x, Map<String, double[]> parameters, boolean[] dead) {
        this.options = options;
        this.dIn = dIn;
        this.width = options.shape().width();
        this.x = x;
        this.p = parameters;
        this.dead = dead;
    }

    /** Takes what has no gradient from the parameters as they are: which features are active, and the errors that dead ones learn. */
    void freeze() {
        frozenDecoder = p.get("W_dec").clone();
        frozenBias = p.get("b_dec").clone();
        frozenActive = active();
        frozenError = new double[x.length][];
        for (int t = 0; t < x.length; t++) {
            double[] recon = decode(acts(t), width, p.get("W_dec"), p.get("b_dec"));
            frozenError[t] = new double[dIn];
            for (int d = 0; d < dIn; d++) {
                frozenError[t][d] = x[t][d] - recon[d];
            }
        }
    }

    private double[] product(int t) {
        double[] z = new double[width];
        for (int i = 0; i < width; i++) {
            for (int d = 0; d < dIn; d++) {
                z[i] += (x[t][d] - p.get("b_dec")[d]) * p.get("W_enc")[d * width + i];
            }
        }
        return z;
    }

    private double[] preActivations(int t) {
        double[] z = product(t);
        for (int i = 0; i < width; i++) {
            z[i] += p.get("b_enc")[i];
        }
        return z;
    }

    /** Which features are active: chosen where a number of them is fixed, above a threshold elsewhere. */
    private boolean[][] active() {
        boolean[][] active = new boolean[x.length][width];
        double[][] z = IntStream.range(0, x.length).mapToObj(this::preActivations).toArray(double[][]::new);
        SaeKind kind = options.shape().kind();
        List<int[]> all = IntStream.range(0, x.length * width).mapToObj(at -> new int[] {at / width, at % width})
            .sorted(Comparator.comparingDouble(at -> -z[at[0]][at[1]])).toList();
        int[] taken = new int[x.length];
        int inAll = 0;
        for (int[] at : all) {
            int t = at[0];
            double threshold = kind == SaeKind.JUMPRELU ? Math.exp(p.get("log_threshold")[at[1]]) : 0;
            boolean room = switch (kind) {
                case TOPK -> taken[t]++ < options.shape().k();
                case BATCHTOPK -> inAll++ < options.shape().k() * x.length;
                case JUMPRELU, GATED, STANDARD -> true;
            };
            active[t][at[1]] = room && z[t][at[1]] > threshold;
        }
        return active;
    }

    private double[] acts(int t) {
        double[] z = preActivations(t);
        double[] product = product(t);
        double[] acts = new double[width];
        for (int i = 0; i < width; i++) {
            if (frozenActive[t][i]) {
                acts[i] = options.shape().kind() == SaeKind.GATED
                    ? Math.max(0, product[i] * Math.exp(p.get("r_mag")[i]) + p.get("b_mag")[i]) : z[i];
            }
        }
        return acts;
    }

    private double[] decode(double[] acts, int features, double[] decoder, double[] bias) {
        double[] recon = bias.clone();
        for (int i = 0; i < features; i++) {
            for (int d = 0; d < dIn; d++) {
                recon[d] += acts[i] * decoder[i * dIn + d];
            }
        }
        return recon;
    }

    private static double squares(double[] a, double[] b) {
        return IntStream.range(0, a.length).mapToDouble(d -> (a[d] - b[d]) * (a[d] - b[d])).sum();
    }

    private double norm(int i) {
        return Math.sqrt(IntStream.range(0, dIn).mapToDouble(d -> p.get("W_dec")[i * dIn + d]).map(w -> w * w).sum());
    }

    /** The mean loss of the vectors. */
    double loss() {
        double loss = 0;
        for (int t = 0; t < x.length; t++) {
            loss += (reconstructions(t) + sparsity(t) + aux(t)) / x.length;
        }
        return loss;
    }

    private double reconstructions(int t) {
        double[] acts = acts(t);
        return prefixes().stream().mapToDouble(m -> squares(decode(acts, m, p.get("W_dec"), p.get("b_dec")), x[t])).average().orElseThrow();
    }

    private List<Integer> prefixes() {
        List<Integer> prefixes = new ArrayList<>(options.shape().matryoshka().widths());
        prefixes.add(width);
        return prefixes;
    }

    private double sparsity(int t) {
        double lambda = options.sparsity().sparsity();
        double[] z = preActivations(t);
        double[] acts = acts(t);
        IntStream active = IntStream.range(0, width).filter(i -> frozenActive[t][i]);
        return switch (options.shape().kind()) {
            case TOPK, BATCHTOPK -> 0;
            case GATED -> lambda * active.mapToDouble(i -> z[i]).sum();
            case STANDARD -> lambda * active.mapToDouble(i -> acts[i] * norm(i)).sum();
            case JUMPRELU -> {
                double l0 = IntStream.range(0, width).filter(i -> frozenActive[t][i]).count();
                double target = options.sparsity().targetL0();
                yield lambda * (options.sparsity().penalty() == SparsityPenalty.TANH
                    ? Arrays.stream(acts).map(f -> Math.tanh(4 * f)).sum() : target == 0 ? l0 : (l0 / target - 1) * (l0 / target - 1));
            }
        };
    }

    private double aux(int t) {
        if (options.shape().kind() == SaeKind.GATED) {
            double[] z = preActivations(t);
            double[] gates = IntStream.range(0, width).mapToDouble(i -> frozenActive[t][i] ? z[i] : 0).toArray();
            return squares(decode(gates, width, frozenDecoder, frozenBias), x[t]);
        }
        int count = (int) IntStream.range(0, width).filter(i -> dead[i]).count();
        if (!options.shape().kind().fixesCount() || count == 0) {
            return 0;
        }
        double[] z = preActivations(t);
        double[] chosen = new double[width];
        IntStream.range(0, width).filter(i -> dead[i]).boxed().sorted(Comparator.comparingDouble(i -> -z[i]))
            .limit(options.revival().auxK()).forEach(i -> chosen[i] = Math.max(0, z[i]));
        return options.revival().auxCoefficient() * squares(decode(chosen, width, p.get("W_dec"), new double[dIn]), frozenError[t]);
    }

    /** The straight-through gradient of log_threshold (arXiv:2407.14435, section 4), from the gradient of the activations. */
    double[] thresholdGradient() {
        double eps = options.sparsity().bandwidth();
        double lambda = options.sparsity().sparsity();
        double[] gradient = new double[width];
        for (int t = 0; t < x.length; t++) {
            double[] z = preActivations(t);
            double[] acts = acts(t);
            double l0 = IntStream.range(0, width).filter(i -> acts[i] > 0).count();
            double target = options.sparsity().targetL0();
            for (int i = 0; i < width; i++) {
                double theta = Math.exp(p.get("log_threshold")[i]);
                if (z[i] <= 0 || Math.abs(z[i] - theta) >= eps / 2) {
                    continue;
                }
                double dAct = 0;
                for (int m : prefixes()) {
                    double[] recon = decode(acts, m, p.get("W_dec"), p.get("b_dec"));
                    for (int d = 0; d < dIn && i < m; d++) {
                        dAct += 2 * (recon[d] - x[t][d]) * p.get("W_dec")[i * dIn + d] / prefixes().size();
                    }
                }
                double step = 0;
                if (options.sparsity().penalty() == SparsityPenalty.TANH) {
                    dAct += lambda * 4 * (1 - Math.pow(Math.tanh(4 * acts[i]), 2));
                } else {
                    step = target == 0 ? lambda : lambda * 2 * (l0 / target - 1) / target;
                }
                gradient[i] += -(theta * dAct + step) / eps * theta / x.length;
            }
        }
        return gradient;
    }
}
