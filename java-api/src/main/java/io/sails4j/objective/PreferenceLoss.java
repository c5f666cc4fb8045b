package io.sails4j.objective;

import io.sails4j.data.Origin;
import io.sails4j.data.TokenPair;
import io.sails4j.data.TokenSequence;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.BatchTensors;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.ops.PreferenceKind;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import io.sails4j.trainable.Trainable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.function.DoubleSupplier;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/**
 * Preference optimisation, mean over pairs. DPO (arXiv:2305.18290 eq. 7) and IPO (arXiv:2310.12036 eq. 17) take the log-probabilities of
 * the counted tokens against a reference, the model without the trained adapter or before the first step, which is computed once, or live:
 * in each step, with the adapter off. margin = beta * ((pi_aligned - ref_aligned) - (pi_unaligned - ref_unaligned)). ORPO (arXiv:2403.07691
 * eq. 7) has no reference: it adds beta times the log odds ratio of both answers to the likelihood of the aligned one.
 */
public final class PreferenceLoss implements Loss {
    private static final int RESULTS = PairTensors.RESULTS;

    private final List<TokenPair> pairs;
    private final double beta;
    private final PreferenceKind kind;
    private final boolean live;
    private final double[][] reference;

    /** DPO. */
    public PreferenceLoss(List<TokenPair> pairs, double beta) {
        this(pairs, beta, PreferenceKind.DPO);
    }

    public PreferenceLoss(List<TokenPair> pairs, double beta, PreferenceKind kind) {
        this(pairs, beta, kind, false);
    }

    /**
     * @param beta strength of the pull towards the reference, for ORPO weight of the odds ratio (the paper's lambda), above 0
     * @param kind the loss of a pair
     * @param live compute the reference with each batch: nothing is stored, and the model's own weights must stay as they are
     */
    public PreferenceLoss(List<TokenPair> pairs, double beta, PreferenceKind kind, boolean live) {
        if (!(beta > 0) || Double.isInfinite(beta)) {
            throw new IllegalArgumentException("beta is " + beta + ", expected a positive number");
        }
        this.pairs = List.copyOf(pairs);
        this.beta = beta;
        this.kind = kind;
        this.live = live;
        this.reference = new double[pairs.size()][];
        for (int i = 0; i < pairs.size(); i++) {
            SftLoss.requireCounted(pairs.get(i).aligned(), "the aligned answer", "pair " + (i + 1));
            SftLoss.requireCounted(pairs.get(i).unaligned(), "the unaligned answer", "pair " + (i + 1));
        }
    }

    /**
     * Of one pair.
     *
     * @param alignedLogp log-probability of the aligned answer's counted tokens under the policy
     * @param alignedReward beta * (policy - reference); for ORPO beta * the mean log-probability of a token
     * @param margin by how much the aligned answer is preferred: the difference of the rewards; for ORPO the log odds ratio
     * @param loss of the pair
     */
    public record PairResult(double alignedLogp, double unalignedLogp, double alignedReward, double unalignedReward, double margin,
        double loss) {
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
    public int[] predicted(int example) {
        return new int[] {pairs.get(example).aligned().predictedCount(), pairs.get(example).unaligned().predictedCount()};
    }

    @Override
    public @Nullable Origin origin(int example) {
        return pairs.get(example).aligned().origin();
    }

    @Override
    public double weight(int example) {
        return 1;
    }

    /** Whether the loss compares with the untrained model. */
    boolean hasReference() {
        return kind != PreferenceKind.ORPO;
    }

    /** Whether that is computed before the first step and kept. */
    boolean keepsReference() {
        return hasReference() && !live;
    }

    @Override
    public void prepare(PassContext context, int[] examples, int microTokens) {
        if (!keepsReference()) {
            return;
        }
        for (int[] micro : MicroBatches.of(this, Arrays.stream(examples).filter(i -> reference[i] == null).toArray(), microTokens,
            context.packing())) {
            SequenceBatch batch = batch(micro, context.packing());
            double[] logps = logps(context, batch);
            for (int i = 0; i < micro.length; i++) {
                reference[micro[i]] = new double[] {logps[i], logps[micro.length + i]};
            }
        }
    }

    /** The untrained model's log-probabilities, all aligned answers and then all unaligned ones. */
    private static double[] logps(PassContext context, SequenceBatch batch) {
        TensorArena.Mark mark = context.memory().mark();
        try (ForwardPass pass = context.session().forward(batch.tokens(), AdapterStack.none(), ForwardOptions.inference())) {
            float[] losses = new HeadPass(context, pass, batch).tokenLosses();
            double[] logps = new double[batch.starts().length];
            for (int i = 0; i < logps.length; i++) {
                logps[i] = -HeadPass.sum(losses, batch.starts()[i], batch.ends()[i]);
            }
            return logps;
        } finally {
            context.memory().release(mark);
        }
    }

    /** The reference's log-probabilities of a pair's aligned and unaligned answer; {@link #prepare} must have seen it. */
    public double[] referenceLogps(int example) {
        if (reference[example] == null) {
            throw new IllegalStateException("the reference log-probabilities of " + names(new int[] {example}) + " were not prepared");
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

    /** The pairs' log-probabilities, rewards and losses under the given adapters. */
    public List<PairResult> evaluate(PassContext context, AdapterStack adapters, int[] examples) {
        SequenceBatch batch = batch(examples, context.packing());
        TensorArena memory = context.memory();
        TensorArena.Mark mark = memory.mark();
        try (BatchTensors in = context.session().upload(batch.tokens())) {
            PairTensors pairs = PairTensors.of(memory, batch);
            Tensor logps = reference(context, examples);
            runReference(context, in, pairs, logps);
            double[] ref = logps == null ? new double[0] : logps.toDoubleArray();
            double[] values = results(context, adapters, in, pairs, logps);
            List<PairResult> out = new ArrayList<>();
            for (int i = 0; i < examples.length; i++) {
                double aligned = values[RESULTS * i];
                double unaligned = values[RESULTS * i + 1];
                out.add(new PairResult(aligned, unaligned, reward(aligned, pair -> pair.aligned(), ref, examples[i], i),
                    reward(unaligned, pair -> pair.unaligned(), ref, examples[i], examples.length + i), values[RESULTS * i + 2],
                    values[RESULTS * i + 3]));
            }
            return out;
        } finally {
            memory.release(mark);
        }
    }

    private double[] results(PassContext context, AdapterStack adapters, BatchTensors in, PairTensors tensors, @Nullable Tensor logps) {
        TensorArena memory = context.memory();
        try (ForwardPass pass = context.session().forward(in, adapters, ForwardOptions.inference())) {
            Tensor tokenLoss = memory.allocate(DType.F32, tensors.targets().numel());
            new HeadPass(context, pass, tensors.targets(), tokenLoss).forward();
            Tensor results = memory.allocate(DType.F64, tensors.count(), RESULTS);
            tensors.losses(context, results, null, tokenLoss, logps, kind, beta, 1);
            return results.toDoubleArray();
        }
    }

    private double reward(double logp, Function<TokenPair, TokenSequence> answer, double[] ref, int example, int at) {
        return hasReference() ? beta * (logp - ref[at]) : beta * logp / answer.apply(pairs.get(example)).predictedCount();
    }

    /** The same in micro-batches of at most {@code microTokens} positions. */
    public List<PairResult> evaluateAll(PassContext context, AdapterStack adapters, int[] examples, int microTokens) {
        List<PairResult> results = new ArrayList<>();
        for (int[] micro : MicroBatches.of(this, examples, microTokens, context.packing())) {
            results.addAll(evaluate(context, adapters, micro));
        }
        return results;
    }

    @Override
    public double sum(PassContext context, AdapterStack adapters, int[] examples) {
        return evaluate(context, adapters, examples).stream().mapToDouble(PairResult::loss).sum();
    }

    @Override
    public DoubleSupplier queueSumAndGradient(PassContext context, Trainable trainable, SequenceBatch batch, int[] examples,
        double totalWeight,
        StepReadings readings) {
        StepReadings.Reading results = readings.add(DType.F64, examples.length, RESULTS);
        TensorArena memory = context.memory();
        TensorArena.Mark mark = memory.mark();
        try (BatchTensors in = context.session().upload(batch.tokens()); KeptForward kept = new KeptForward()) {
            PairTensors tensors = PairTensors.of(memory, batch);
            Tensor logps = reference(context, examples);
            Tensor tokenLoss = memory.allocate(DType.F32, batch.targets().length);
            Tensor weights = memory.allocate(DType.F32, batch.targets().length);
            context.run(StepGraphs.Pass.of(batch), trainable.adapters(), List.of(new StepGraphs.Segment(() -> {
                runReference(context, in, tensors, logps);
                kept.keep(context.session().forward(in, trainable.adapters(), context.training(trainable)));
                new HeadPass(context, kept.pass(), tensors.targets(), tokenLoss).forward();
            }, false),
                new StepGraphs.Segment(
                    () -> tensors.losses(context, results.tensor(), weights, tokenLoss, logps, kind, beta, 1 / totalWeight), true),
                new StepGraphs.Segment(() -> new HeadPass(context, kept.pass(), tensors.targets(), tokenLoss).backward(trainable, weights),
                    false)));
        } finally {
            memory.release(mark);
        }
        return () -> {
            double sum = 0;
            for (int i = 0; i < examples.length; i++) {
                sum += results.value((long) RESULTS * i + RESULTS - 1);
            }
            return sum;
        };
    }

    /**
     * The reference's log-probabilities [2 pairs] F64, all aligned answers and then all unaligned ones; live: room for them; null: there
     * are none.
     */
    private @Nullable Tensor reference(PassContext context, int[] examples) {
        if (!hasReference()) {
            return null;
        }
        if (live) {
            return context.memory().allocate(DType.F64, 2L * examples.length);
        }
        double[] values = new double[2 * examples.length];
        for (int i = 0; i < examples.length; i++) {
            double[] ref = referenceLogps(examples[i]);
            values[i] = ref[0];
            values[examples.length + i] = ref[1];
        }
        return context.memory().of(values, values.length);
    }

    /** A live reference: the model without adapters over the same batch. */
    private void runReference(PassContext context, BatchTensors in, PairTensors tensors, @Nullable Tensor logps) {
        if (!live || logps == null) {
            return;
        }
        TensorArena.Mark mark = context.memory().mark();
        try (ForwardPass pass = context.session().forward(in, AdapterStack.none(), ForwardOptions.inference())) {
            Tensor tokenLoss = context.memory().allocate(DType.F32, tensors.targets().numel());
            new HeadPass(context, pass, tensors.targets(), tokenLoss).forward();
            tensors.logps(context, logps, tokenLoss);
        } finally {
            context.memory().release(mark);
        }
    }

    /** All aligned sequences, then all unaligned ones, in the order of the pairs. */
    @Override
    public SequenceBatch batch(int[] examples, boolean packing) {
        List<TokenSequence> rows = new ArrayList<>();
        for (int i : examples) {
            rows.add(pairs.get(i).aligned());
        }
        for (int i : examples) {
            rows.add(pairs.get(i).unaligned());
        }
        return SequenceBatch.of(rows, packing);
    }
}
