package io.sails4j.train;

import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenSequence;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.tensor.TensorArena;
import java.util.ArrayList;
import java.util.List;

/**
 * Direct preference optimisation (arXiv:2305.18290 eq. 7), or with another loss of the same margin ({@link Kind}): for a pair with the log-probabilities pi of its counted tokens,
 * margin = beta * ((pi_aligned - ref_aligned) - (pi_unaligned - ref_unaligned)), loss = -log sigmoid(margin), mean over pairs.
 * The reference is the model without the trained adapter, or before the first step; its log-probabilities are computed once.
 */
public final class DpoLoss implements Loss {
    private final List<TokenPair> pairs;
    private final double beta;
    private final Kind kind;
    private final double[][] reference;

    /**
     * @param beta strength of the pull towards the reference, above 0
     */
    public DpoLoss(List<TokenPair> pairs, double beta) {
        this(pairs, beta, Kind.DPO);
    }

    /** @param kind the loss of a margin */
    public DpoLoss(List<TokenPair> pairs, double beta, Kind kind) {
        if (!(beta > 0) || Double.isInfinite(beta)) {
            throw new IllegalArgumentException("beta is " + beta + ", expected a positive number");
        }
        this.pairs = List.copyOf(pairs);
        this.beta = beta;
        this.kind = kind;
        this.reference = new double[pairs.size()][];
        for (int i = 0; i < pairs.size(); i++) {
            SftLoss.requireCounted(pairs.get(i).aligned(), "the aligned answer of pair " + (i + 1));
            SftLoss.requireCounted(pairs.get(i).unaligned(), "the unaligned answer of pair " + (i + 1));
        }
    }

    /** How a pair's margin becomes a loss. */
    public enum Kind {
        /** -log sigmoid(margin). */
        DPO {
            @Override
            double loss(double margin, double beta) {
                return Math.max(0, -margin) + Math.log1p(Math.exp(-Math.abs(margin)));
            }

            @Override
            double pull(double margin, double beta) {
                return beta / (1 + Math.exp(margin));
            }
        },
        /** (h - 1 / (2 beta))^2 with h = margin / beta: a margin that is large enough is not pushed further (arXiv:2310.12036 eq. 17). */
        IPO {
            @Override
            double loss(double margin, double beta) {
                double off = margin / beta - 1 / (2 * beta);
                return off * off;
            }

            @Override
            double pull(double margin, double beta) {
                return -2 * (margin / beta - 1 / (2 * beta));
            }
        };

        abstract double loss(double margin, double beta);

        /** Minus the derivative by the aligned answer's log-probability, which is the derivative by the unaligned one's. */
        abstract double pull(double margin, double beta);
    }

    /**
     * Of one pair.
     *
     * @param alignedLogp log-probability of the aligned answer's counted tokens under the policy
     * @param alignedReward beta * (policy - reference)
     * @param loss of the pair
     */
    public record PairResult(double alignedLogp, double unalignedLogp, double alignedReward, double unalignedReward, double loss) {
        /** How much more reward the aligned answer has. */
        public double margin() {
            return alignedReward - unalignedReward;
        }
    }

    @Override
    public int size() {
        return pairs.size();
    }

    @Override
    public int[] lengths(int example) {
        return new int[] {pairs.get(example).aligned().length(), pairs.get(example).unaligned().length()};
    }

    @Override
    public double weight(int example) {
        return 1;
    }

    @Override
    public void prepare(LossContext context, int[] examples, int microTokens) {
        for (int[] micro : StepPlan.microBatches(this, java.util.Arrays.stream(examples).filter(i -> reference[i] == null).toArray(), microTokens,
            context.packing())) {
            double[] logps = logps(context, AdapterStack.none(), micro);
            for (int i = 0; i < micro.length; i++) {
                reference[micro[i]] = new double[] {logps[i], logps[micro.length + i]};
            }
        }
    }

    /** The reference's log-probabilities of a pair's aligned and unaligned answer; {@link #prepare} must have seen it. */
    public double[] referenceLogps(int example) {
        if (reference[example] == null) {
            throw new IllegalStateException("the reference log-probabilities of pair " + (example + 1) + " were not prepared");
        }
        return reference[example].clone();
    }

    boolean hasReferenceLogps(int example) {
        return reference[example] != null;
    }

    /** What {@link #prepare} would compute, from an earlier run. */
    void setReferenceLogps(int example, double aligned, double unaligned) {
        reference[example] = new double[] {aligned, unaligned};
    }

    /** The pairs' log-probabilities and rewards under the given adapters. */
    public List<PairResult> evaluate(LossContext context, AdapterStack adapters, int[] examples) {
        return results(examples, logps(context, adapters, examples));
    }

    /** The same in micro-batches of at most {@code microTokens} positions. */
    public List<PairResult> evaluateAll(LossContext context, AdapterStack adapters, int[] examples, int microTokens) {
        List<PairResult> results = new ArrayList<>();
        for (int[] micro : StepPlan.microBatches(this, examples, microTokens, context.packing())) {
            results.addAll(evaluate(context, adapters, micro));
        }
        return results;
    }

    @Override
    public double sum(LossContext context, AdapterStack adapters, int[] examples) {
        return sum(evaluate(context, adapters, examples));
    }

    @Override
    public double sumAndGradient(LossContext context, Trainable trainable, int[] examples, double totalWeight) {
        SequenceBatch batch = batch(context, examples);
        TensorArena.Mark mark = context.memory().mark();
        try (ForwardPass pass = context.model().forward(batch.tokens(), trainable.adapters(), ForwardOptions.training(context.recomputeLayers()))) {
            HeadPass head = new HeadPass(context, pass, batch);
            List<PairResult> results = results(examples, logps(batch, head.tokenLosses()));
            head.backward(trainable, tokenWeights(batch, results, totalWeight));
            return sum(results);
        } finally {
            context.memory().release(mark);
        }
    }

    /** d loss / d token_loss: token_loss = -log p, so the aligned sequences have the pull and the unaligned ones minus that. */
    private float[] tokenWeights(SequenceBatch batch, List<PairResult> results, double totalWeight) {
        int n = results.size();
        float[] weights = new float[batch.targets().length];
        for (int i = 0; i < 2 * n; i++) {
            double weight = kind.pull(results.get(i % n).margin(), beta) / totalWeight;
            for (int t = batch.starts()[i]; t < batch.ends()[i]; t++) {
                weights[t] = batch.targets()[t] == Targets.IGNORED ? 0 : (float) (i < n ? weight : -weight);
            }
        }
        return weights;
    }

    private static double sum(List<PairResult> results) {
        return results.stream().mapToDouble(PairResult::loss).sum();
    }

    private List<PairResult> results(int[] examples, double[] logps) {
        List<PairResult> results = new ArrayList<>();
        int n = examples.length;
        for (int i = 0; i < n; i++) {
            double[] ref = referenceLogps(examples[i]);
            double aligned = beta * (logps[i] - ref[0]);
            double unaligned = beta * (logps[n + i] - ref[1]);
            results.add(new PairResult(logps[i], logps[n + i], aligned, unaligned, kind.loss(aligned - unaligned, beta)));
        }
        return results;
    }

    private double[] logps(LossContext context, AdapterStack adapters, int[] examples) {
        SequenceBatch batch = batch(context, examples);
        TensorArena.Mark mark = context.memory().mark();
        try (ForwardPass pass = context.model().forward(batch.tokens(), adapters, ForwardOptions.inference())) {
            return logps(batch, new HeadPass(context, pass, batch).tokenLosses());
        } finally {
            context.memory().release(mark);
        }
    }

    private static double[] logps(SequenceBatch batch, float[] tokenLosses) {
        double[] logps = new double[batch.starts().length];
        for (int i = 0; i < logps.length; i++) {
            logps[i] = -HeadPass.sum(tokenLosses, batch.starts()[i], batch.ends()[i]);
        }
        return logps;
    }

    /** All aligned sequences, then all unaligned ones, in the order of the pairs. */
    private SequenceBatch batch(LossContext context, int[] examples) {
        List<TokenSequence> rows = new ArrayList<>();
        for (int i : examples) {
            rows.add(pairs.get(i).aligned());
        }
        for (int i : examples) {
            rows.add(pairs.get(i).unaligned());
        }
        return SequenceBatch.of(rows, context.packing());
    }
}
