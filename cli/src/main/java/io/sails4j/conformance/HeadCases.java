package io.sails4j.conformance;

import io.sails4j.model.Labels;
import io.sails4j.tensor.DType;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** Cross entropy over whole logits, and the head in chunks with its gradients. */
public final class HeadCases {

    private HeadCases() {
    }

    static List<OpCase> all() {
        List<OpCase> cases = new ArrayList<>();
        for (int[] s : new int[][] {{0, 5}, {1, 1}, {3, 17}, {9, 331}, {5, 1031}, {2, 1023}, {2, 1024}, {3, 5003}}) {
            cases.add(new CrossEntropy(s[0], s[1], true, false));
            cases.add(new CrossEntropy(s[0], s[1], false, false));
        }
        cases.add(new CrossEntropy(7, 63, true, true));
        for (DType type : ElementwiseCases.FLOATS) {
            for (int[] s : new int[][] {{0, 8, 5}, {1, 1, 1}, {3, 17, 33}, {7, 64, 331}, {37, 48, 257}, {70, 33, 1100}}) {
                cases.add(new HeadLoss(s[0], s[1], s[2], true, true, 30, 0.3, type));
            }
            // More logits than are kept at once, the first two over a whole vocabulary; the others where that is a mebibyte (head_mib=1).
            cases.add(new HeadLoss(180, 3, 100003, true, true, 30, 0.05, type));
            cases.add(new HeadLoss(6, 3, 100003, true, true, 30, 0.05, type));
            cases.add(new HeadLoss(70, 3, 5003, true, true, 30, 0.05, type));
            // Rows of whole vectors, which bulk copies take: with both gradients, one, none; an odd vocabulary.
            cases.add(new HeadLoss(150, 40, 520, true, true, 30, 0.1, type));
            cases.add(new HeadLoss(33, 72, 1101, true, false, 3, 0.3, type));
            cases.add(new HeadLoss(140, 24, 300, false, false, 0, 0.3, type));
            cases.add(new HeadLoss(9, 24, 101, true, false, 3, 0.3, type));
            cases.add(new HeadLoss(9, 24, 101, false, true, 0, 0.3, type));
            cases.add(new HeadLoss(9, 24, 101, false, false, 30, 0, type));
            cases.add(new HeadLoss(9, 24, 101, true, true, 30, 1, type));
        }
        return cases;
    }

    private static Draw targets(int vocab, double ignoredShare) {
        return (random, i) -> random.nextDouble() < ignoredShare ? Labels.IGNORE_INDEX : random.nextInt(vocab);
    }

    /** One row: -log softmax(logits)[target], the gradient by the logits, and their errors from those of the logits. */
    static final class Row {
        final double loss;
        final double lossError;
        final double[] dlogits;
        final double[] dlogitsError;

        Row(double[] logits, double[] logitError, int target) {
            int n = logits.length;
            double max = Double.NEGATIVE_INFINITY;
            for (double logit : logits) {
                max = Math.max(max, logit);
            }
            double total = 0;
            for (double logit : logits) {
                total += Math.exp(logit - max);
            }
            double lse = max + Math.log(total);
            double lseError = Sum.EPS * (Math.sqrt(n) + 6 + 2 * Math.abs(max) + Math.abs(lse));
            for (int i = 0; i < n; i++) {
                lseError += Math.exp(logits[i] - lse) * (logitError[i] + Sum.EPS * Math.abs(logits[i] - max));
            }
            loss = lse - logits[target];
            lossError = lseError + logitError[target] + Sum.EPS * Math.abs(logits[target]);
            dlogits = new double[n];
            dlogitsError = new double[n];
            for (int i = 0; i < n; i++) {
                double p = Math.exp(logits[i] - lse);
                dlogits[i] = p - (i == target ? 1 : 0);
                dlogitsError[i] = p * (lseError + logitError[i] + Sum.EPS * (6 + Math.abs(logits[i]))) + Sum.EPS * Math.abs(dlogits[i]);
            }
        }
    }

    /** token_loss and dlogits of given logits; {@code alias}: dlogits is logits. */
    public record CrossEntropy(int tokens, int vocab, boolean gradient, boolean alias) implements OpCase {
        @Override
        public String operation() {
            return "cross_entropy";
        }

        @Override
        public DType dtype() {
            return DType.F32;
        }

        @Override
        public double flops() {
            return (gradient ? 8.0 : 4.0) * tokens * vocab;
        }

        @Override
        public Runnable prepare(Fixture f) {
            Draw draw = Draw.normal(5);
            Operand logits = alias ? f.updated("logits", DType.F32, draw, tokens, vocab)
                : f.input("logits", DType.F32, draw, tokens, vocab);
            Operand targets = f.input("targets", DType.I32, targets(vocab, 0.25), tokens);
            Operand weight = gradient ? f.input("token_weight", DType.F32, Draw.uniform(0, 2), tokens) : null;
            Operand loss = f.output("token_loss", DType.F32, tokens);
            Operand dlogits = !gradient ? null : alias ? logits : f.output("dlogits", DType.F32, tokens, vocab);
            f.oracle(() -> {
                for (int t = 0; t < tokens; t++) {
                    expectRow(t, logits.values(), (int) targets.value(t), weight == null ? 0 : weight.value(t), loss, dlogits);
                }
            });
            return () -> f.ops().head().crossEntropy(loss.tensor(), Fixture.tensorOrNull(dlogits), logits.tensor(), targets.tensor(),
                Fixture.tensorOrNull(weight));
        }

        private void expectRow(int t, double[] logits, int target, double weight, Operand loss, @Nullable Operand dlogits) {
            Row row = target == Labels.IGNORE_INDEX ? null
                : new Row(Arrays.copyOfRange(logits, t * vocab, (t + 1) * vocab), new double[vocab], target);
            loss.expect(t, row == null ? 0 : row.loss, row == null ? 0 : row.lossError);
            for (int i = 0; dlogits != null && i < vocab; i++) {
                dlogits.expect(t * vocab + i, row == null ? 0 : weight * row.dlogits[i], row == null ? 0 : weight * row.dlogitsError[i]);
            }
        }
    }

    /** The losses and gradients of the head in double, with errors. */
    static final class HeadOracle {
        final double[] loss;
        final double[] lossError;
        final Sum[] dhidden;
        final Sum[] dembed;
        private final double[] hidden;
        private final double[] embed;
        private final int dModel;
        private final int vocab;
        private final double softcap;
        private final double rounding;

        HeadOracle(double[] hidden, double[] embed, double[] targets, double[] weight, int dModel, double softcap, boolean lowPrecision) {
            this.hidden = hidden;
            this.embed = embed;
            this.dModel = dModel;
            this.vocab = embed.length / dModel;
            this.softcap = softcap;
            this.rounding = lowPrecision ? Sum.EPS_BF16 : 0;
            loss = new double[targets.length];
            lossError = new double[targets.length];
            dhidden = sums(hidden.length);
            dembed = sums(embed.length);
            for (int t = 0; t < targets.length; t++) {
                if ((int) targets[t] != Labels.IGNORE_INDEX) {
                    token(t, (int) targets[t], weight.length == 0 ? 0 : weight[t]);
                }
            }
        }

        private static Sum[] sums(int n) {
            Sum[] sums = new Sum[n];
            for (int i = 0; i < n; i++) {
                sums[i] = new Sum();
            }
            return sums;
        }

        private void token(int t, int target, double weight) {
            double[] logits = new double[vocab];
            double[] errors = new double[vocab];
            for (int i = 0; i < vocab; i++) {
                Sum dot = new Sum();
                for (int d = 0; d < dModel; d++) {
                    dot.add(hidden[t * dModel + d] * embed[i * dModel + d]);
                }
                logits[i] = softcap == 0 ? dot.value() : softcap * Math.tanh(dot.value() / softcap);
                errors[i] = dot.error() + 5 * Sum.EPS * Math.abs(dot.value());
            }
            Row row = new Row(logits, errors, target);
            loss[t] = row.loss;
            lossError[t] = row.lossError;
            for (int i = 0; i < vocab; i++) {
                double share = softcap == 0 ? 0 : logits[i] / softcap;
                double slope = 1 - share * share;
                double slopeError = softcap == 0 ? 0 : 4 * Sum.EPS + 2 * Math.abs(share) * errors[i] / softcap;
                double dz = weight * row.dlogits[i] * slope;
                double dzError = Math.abs(weight) * (row.dlogitsError[i] * Math.abs(slope) + Math.abs(row.dlogits[i]) * slopeError)
                    + (2 * Sum.EPS + rounding) * Math.abs(dz);
                for (int d = 0; d < dModel; d++) {
                    double e = embed[i * dModel + d];
                    double h = hidden[t * dModel + d];
                    dhidden[t * dModel + d].add(dz * e, dzError * Math.abs(e));
                    dembed[i * dModel + d].add(dz * h, dzError * Math.abs(h));
                }
            }
        }
    }

    /** Losses and gradients without whole logits. */
    public record HeadLoss(int tokens, int dModel, int vocab, boolean dhidden, boolean dembed, float softcap, double ignoredShare,
        DType dtype)
        implements OpCase {
        @Override
        public boolean large() {
            return (long) tokens * vocab > 500_000;
        }

        @Override
        public String operation() {
            return "head_loss";
        }

        @Override
        public double flops() {
            return 2.0 * tokens * dModel * vocab * (1 + (dhidden ? 1 : 0) + (dembed ? 1 : 0));
        }

        @Override
        public Runnable prepare(Fixture f) {
            if (dModel % 8 == 0) {
                f.aligned();
            }
            Operand hidden = f.input("hidden", dtype, Draw.normal(1), tokens, dModel);
            Operand embed = f.input("embed", dtype, Draw.normal(4 / Math.sqrt(dModel)), vocab, dModel);
            Operand targets = f.input("targets", DType.I32, targets(vocab, ignoredShare), tokens);
            boolean gradients = dhidden || dembed;
            Operand weight = gradients ? f.input("token_weight", DType.F32, Draw.uniform(0, 2), tokens) : null;
            Operand loss = f.output("token_loss", DType.F32, tokens);
            Operand dh = dhidden ? f.output("dhidden", DType.F32, tokens, dModel) : null;
            Operand de = dembed ? f.updated("dembed", DType.F32, Draw.normal(1), vocab, dModel) : null;
            f.oracle(() -> {
                double[] weights = weight == null ? new double[0] : weight.values();
                HeadOracle expected = new HeadOracle(hidden.values(), embed.values(), targets.values(), weights, dModel, softcap,
                    dtype == DType.BF16);
                for (int t = 0; t < tokens; t++) {
                    loss.expect(t, expected.loss[t], expected.lossError[t]);
                }
                for (int i = 0; dh != null && i < expected.dhidden.length; i++) {
                    dh.expect(i, expected.dhidden[i].value(), expected.dhidden[i].error());
                }
                for (int i = 0; de != null && i < expected.dembed.length; i++) {
                    expected.dembed[i].add(de.value(i));
                    de.expect(i, expected.dembed[i].value(), expected.dembed[i].error());
                }
            });
            return () -> f.ops().head().headLoss(loss.tensor(), Fixture.tensorOrNull(dh), Fixture.tensorOrNull(de), hidden.tensor(),
                embed.tensor(), targets.tensor(), Fixture.tensorOrNull(weight), softcap);
        }
    }
}
