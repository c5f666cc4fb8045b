package io.sails4j.objective;

import io.sails4j.data.Origin;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.model.AdapterStack;
import io.sails4j.model.BatchTensors;
import io.sails4j.model.ForwardOptions;
import io.sails4j.model.ForwardPass;
import io.sails4j.tensor.DType;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import io.sails4j.train.Objective;
import io.sails4j.train.ObjectiveOptions;
import io.sails4j.train.PolicyOptions;
import io.sails4j.train.PolicyTask;
import io.sails4j.trainable.Trainable;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.function.BooleanSupplier;
import java.util.function.DoubleSupplier;
import java.util.stream.IntStream;
import org.jspecify.annotations.Nullable;

/**
 * Learning from rewards of the model's own answers, mean over the answers of a batch of prompts.
 *
 * <p>RLOO (arXiv:2402.14740 section 3.2): R = r - beta (log pi(y) - log pi_ref(y)) of the whole answer, and the loss is -A log pi(y) with
 * A = R minus the mean R of the other answers to the prompt.
 *
 * <p>GRPO (arXiv:2402.03300 eq. 3, 4, section 4.1.2): A = (r - mean) / sd over the answers to the prompt, and the loss is the negated mean
 * over an answer's tokens of {@link ClippedTerm}.
 *
 * <p>An example is the place of an answer in the batch; before the first answers are there, it is as long as an answer can be.
 */
public final class PolicyLoss implements Loss {
    /** Names of the tensors that {@link #state} gives begin with it. */
    public static final String STATE = PolicyState.PREFIX;
    private static final BooleanSupplier NEVER = () -> false;

    private final PolicyTask task;
    private final Objective objective;
    private final PolicyOptions options;
    private final PolicyPlan plan;
    private final boolean hasReference;
    private final Rollouts rollouts;
    private List<PolicySample> samples = List.of();
    private int batch = -1;
    private long clipped;
    private long counted;

    /**
     * A loss that has no answers yet.
     *
     * @param objective one that samples answers
     * @param hasReference whether the model without its adapter is the untrained one
     */
    public PolicyLoss(PolicyTask task, ObjectiveOptions objective, PolicyPlan plan, long seed, boolean hasReference) {
        if (!objective.objective().samplesAnswers()) {
            throw new IllegalArgumentException("the objective is " + objective.objective() + ", expected one that samples answers");
        }
        this.task = task;
        this.objective = objective.objective();
        this.options = objective.policy();
        this.plan = plan;
        this.hasReference = hasReference;
        this.rollouts = new Rollouts(task, options.sampling(), seed);
    }

    /** Which prompts are answered in which step. */
    public PolicyPlan plan() {
        return plan;
    }

    /** The answers of a batch, or of the largest one before there is one. */
    @Override
    public int size() {
        return samples.isEmpty() ? options.samples() * plan.batches().stream().mapToInt(b -> b.length).max().orElse(0) : samples.size();
    }

    /** The examples of a step, from 0. */
    public int[] examples(int step) {
        return IntStream.range(0, options.samples() * plan.batches().get(plan.batchOf(step)).length).toArray();
    }

    @Override
    public int[] lengths(int example) {
        return new int[] {samples.isEmpty() ? rollouts.longest() : samples.get(example).sequence().length()};
    }

    @Override
    public int[] predicted(int example) {
        return new int[] {samples.isEmpty() ? options.sampling().maxNewTokens() : samples.get(example).answerTokens()};
    }

    @Override
    public @Nullable Origin origin(int example) {
        return samples.isEmpty() ? null : task.prompts().get(samples.get(example).prompt()).origin();
    }

    /** The prompts that they answer, each once. */
    @Override
    public String names(int[] examples) {
        return Origin.describe(Arrays.stream(examples).mapToObj(this::origin).filter(Objects::nonNull).distinct().toList());
    }

    @Override
    public double weight(int example) {
        return 1;
    }

    @Override
    public boolean samplesAnswers() {
        return true;
    }

    @Override
    public SequenceBatch batch(int[] examples, boolean packing) {
        return SequenceBatch.of(Arrays.stream(examples).mapToObj(i -> samples.get(i).sequence()).toList(), packing);
    }

    @Override
    public boolean begin(PassContext context, AdapterStack adapters, int step, int microTokens, BooleanSupplier stop) {
        clipped = 0;
        counted = 0;
        int wanted = plan.batchOf(step);
        if (batch == wanted) {
            return true;
        }
        long first = (long) wanted * options.promptsPerStep() * options.samples();
        List<PolicySample> drawn = rollouts.draw(context.session(), adapters, rollouts.sampled(), plan.batches().get(wanted),
            options.samples(), first, stop);
        if (drawn == null) {
            return false;
        }
        learnFrom(context, adapters, drawn, microTokens);
        batch = wanted;
        return true;
    }

    /** Takes graded answers, and what both models say of them. */
    void learnFrom(PassContext context, AdapterStack adapters, List<PolicySample> graded, int microTokens) {
        samples = graded;
        float[][] old = logps(context, adapters, microTokens);
        float[][] reference = hasReference ? logps(context, AdapterStack.none(), microTokens) : new float[graded.size()][0];
        samples = withAdvantages(IntStream.range(0, graded.size()).mapToObj(i -> graded.get(i).withLogps(old[i], reference[i])).toList());
    }

    private List<PolicySample> withAdvantages(List<PolicySample> known) {
        List<PolicySample> all = new ArrayList<>();
        for (int from = 0; from < known.size();) {
            List<PolicySample> group = known.subList(from, PolicySample.endOfGroup(known, from));
            double[] advantages = switch (objective) {
                case RLOO -> Advantages.leaveOneOut(group.stream().mapToDouble(this::rewardWithKl).toArray());
                case GRPO -> Advantages.normalised(group.stream().mapToDouble(s -> s.grade().reward()).toArray());
                case SFT, DPO, IPO, ORPO -> throw new IllegalStateException(objective + " samples no answers");
            };
            for (int i = 0; i < advantages.length; i++) {
                all.add(group.get(i).withAdvantage(advantages[i]));
            }
            from += advantages.length;
        }
        return all;
    }

    private double rewardWithKl(PolicySample sample) {
        return sample.grade().reward() - (options.klBeta() == 0 ? 0 : options.klBeta() * sample.logRatio());
    }

    /** Of each answer's tokens. */
    private float[][] logps(PassContext context, AdapterStack adapters, int microTokens) {
        float[][] logps = new float[samples.size()][];
        int[] all = IntStream.range(0, samples.size()).toArray();
        for (int[] micro : MicroBatches.of(this, all, microTokens, context.packing())) {
            SequenceBatch rows = batch(micro, context.packing());
            float[] losses = tokenLosses(context, adapters, rows);
            for (int i = 0; i < micro.length; i++) {
                PolicySample sample = samples.get(micro[i]);
                float[] own = new float[sample.answerTokens()];
                int from = sample.firstPosition(rows.starts()[i]);
                for (int t = 0; t < own.length; t++) {
                    own[t] = -losses[from + t];
                }
                logps[micro[i]] = own;
            }
        }
        return logps;
    }

    private static float[] tokenLosses(PassContext context, AdapterStack adapters, SequenceBatch rows) {
        TensorArena.Mark mark = context.memory().mark();
        try (ForwardPass pass = context.session().forward(rows.tokens(), adapters, ForwardOptions.inference())) {
            return new HeadPass(context, pass, rows).tokenLosses();
        } finally {
            context.memory().release(mark);
        }
    }

    /** The answers that are learned from now. */
    List<PolicySample> samples() {
        return samples;
    }

    @Override
    public PolicyMetrics metrics() {
        PolicyMetrics now = PolicyMetrics.of(samples);
        return objective == Objective.GRPO ? now.withClipFraction(counted == 0 ? 0 : clipped / (double) counted) : now;
    }

    /** What greedy answers to all prompts come to. */
    public PolicyMetrics evaluate(PassContext context, AdapterStack adapters) {
        int[] all = IntStream.range(0, task.prompts().size()).toArray();
        return PolicyMetrics.of(Objects.requireNonNull(rollouts.draw(context.session(), adapters, rollouts.greedy(), all, 1, 0, NEVER)));
    }

    @Override
    public double sum(PassContext context, AdapterStack adapters, int[] examples) {
        SequenceBatch rows = batch(examples, context.packing());
        return weigh(examples, rows, tokenLosses(context, adapters, rows), 1, new float[rows.targets().length]);
    }

    @Override
    public DoubleSupplier queueSumAndGradient(PassContext context, Trainable trainable, SequenceBatch rows, int[] examples,
        double totalWeight, StepReadings readings) {
        TensorArena memory = context.memory();
        TensorArena.Mark mark = memory.mark();
        int n = rows.targets().length;
        double[] sum = new double[1];
        try (BatchTensors in = context.session().upload(rows.tokens()); KeptForward kept = new KeptForward()) {
            Tensor targets = memory.of(rows.targets(), n);
            Tensor tokenLoss = memory.allocate(DType.F32, n);
            Tensor weights = memory.allocate(DType.F32, n);
            context.run(StepGraphs.Pass.of(rows), trainable.adapters(), List.of(new StepGraphs.Segment(() -> {
                kept.keep(context.session().forward(in, trainable.adapters(), context.training(trainable)));
                new HeadPass(context, kept.pass(), targets, tokenLoss).forward();
            }, false), new StepGraphs.Segment(() -> {
                // The weights depend on the log-probabilities: the host waits for them.
                float[] values = new float[n];
                sum[0] = weigh(examples, rows, tokenLoss.toFloatArray(), totalWeight, values);
                weights.upload(values);
            }, true), new StepGraphs.Segment(() -> new HeadPass(context, kept.pass(), targets, tokenLoss).backward(trainable, weights),
                false)));
        } finally {
            memory.release(mark);
        }
        return () -> sum[0];
    }

    /**
     * The sum of the answers' losses.
     *
     * @param losses -log p of each position's target
     * @param weights becomes the derivative of the sum / totalWeight by each of them
     */
    private double weigh(int[] examples, SequenceBatch rows, float[] losses, double totalWeight, float[] weights) {
        double sum = 0;
        for (int i = 0; i < examples.length; i++) {
            PolicySample sample = samples.get(examples[i]);
            int from = sample.firstPosition(rows.starts()[i]);
            for (int t = 0; t < sample.answerTokens(); t++) {
                ClippedTerm term = term(sample, t, -losses[from + t]);
                counted++;
                clipped += term.clipped() ? 1 : 0;
                sum -= term.value();
                weights[from + t] = (float) (term.slope() / totalWeight);
            }
        }
        return sum;
    }

    private ClippedTerm term(PolicySample sample, int t, double logp) {
        if (objective == Objective.RLOO) {
            return new ClippedTerm(sample.advantage() * logp, sample.advantage(), false);
        }
        double reference = sample.referenceLogps().length == 0 ? logp : sample.referenceLogps()[t];
        ClippedTerm term = ClippedTerm.of(logp, sample.oldLogps()[t], reference, sample.advantage(), options.clip(), options.klBeta());
        return new ClippedTerm(term.value() / sample.answerTokens(), term.slope() / sample.answerTokens(), term.clipped());
    }

    @Override
    public SequencedMap<String, HostTensor> state(int steps) {
        return PolicyState.of(plan.isWithinBatch(steps) ? samples : List.of());
    }

    @Override
    public void restore(int steps, SafetensorsFile state) {
        samples = PolicyState.read(state, task.prompts());
        batch = plan.isWithinBatch(steps) ? plan.batchOf(steps) : -1;
    }
}
