package io.sails4j.train;

import io.sails4j.io.InputException;
import io.sails4j.model.CausalModel;
import java.util.List;
import java.util.function.Consumer;
import java.util.function.LongSupplier;

/**
 * Optimizer steps over a plan. In each step: the gradients of all micro-batches are summed with exact weights, the hook may change them, their
 * norm is taken and they are clipped, AdamW moves the parameters and holds those that the hook names to their subspace. The same model, data, options and thread
 * count give the same bits.
 */
public final class TrainingLoop {
    private final CausalModel model;
    private final Trainable trainable;
    private final Loss loss;
    private final TrainingOptions options;
    private final StepHook hook;
    private final StepPlan plan;
    private final LongSupplier nanoClock;

    /** @throws InputException where there is no example */
    public TrainingLoop(CausalModel model, Trainable trainable, Loss loss, TrainingOptions options, StepHook hook, LongSupplier nanoClock) {
        if (loss.size() == 0) {
            throw new InputException("the training data has no example");
        }
        this.model = model;
        this.trainable = trainable;
        this.loss = loss;
        this.options = options;
        this.hook = hook;
        this.nanoClock = nanoClock;
        this.plan = StepPlan.of(loss, options.epochs(), options.maxSteps(), options.stepTokens(), options.microTokens(), options.seed());
    }

    public StepPlan plan() {
        return plan;
    }

    /**
     * Runs all steps; {@code listener} sees each when it is done.
     *
     * @return the last step's metrics
     * @throws TrainingException where a loss or gradient is not finite
     */
    public StepMetrics run(Consumer<StepMetrics> listener) {
        long start = nanoClock.getAsLong();
        long total = plan.steps().size();
        long warmup = (long) Math.ceil(options.warmupRatio() * total);
        try (LossContext context = LossContext.of(model);
             AdamwOptimizer optimizer = new AdamwOptimizer(trainable, model.engine().device(), model.engine().ops(), options.optimizer(),
                 options.maxGradNorm(), hook.held())) {
            loss.prepare(context, plan.usedExamples(), options.microTokens());
            StepMetrics metrics = null;
            long tokens = 0;
            for (int step = 0; step < total; step++) {
                long stepStart = nanoClock.getAsLong();
                double value = accumulate(context, step);
                double penalty = hook.beforeUpdate();
                double factor = options.schedule().factor(step, total, warmup);
                double norm = optimizer.step(factor);
                trainable.publish();
                long stepTokens = tokens(step);
                tokens += stepTokens;
                double share = hook.shareInside();
                long now = nanoClock.getAsLong();
                metrics = new StepMetrics(step + 1, total, value, penalty, norm, options.optimizer().lr() * factor, stepTokens, tokens,
                    stepTokens * 1e9 / Math.max(1, now - stepStart), (now - start) * 1e-6, share);
                listener.accept(metrics);
            }
            return java.util.Objects.requireNonNull(metrics, "a plan has at least one step");
        }
    }

    /** The step's loss; its gradient is in the trainable afterwards. */
    private double accumulate(LossContext context, int step) {
        double totalWeight = loss.totalWeight(plan.examples(step));
        List<int[]> microBatches = plan.steps().get(step);
        trainable.zeroGradients();
        double sum = 0;
        for (int i = 0; i < microBatches.size(); i++) {
            double part = loss.sumAndGradient(context, trainable, microBatches.get(i), totalWeight);
            if (!Double.isFinite(part)) {
                throw new TrainingException("the loss is " + part + " in step " + (step + 1) + ", micro-batch " + (i + 1) + " of "
                    + microBatches.size() + " (examples " + numbers(microBatches.get(i)) + "); lower the learning rate, or compute in f32");
            }
            sum += part;
        }
        return sum / totalWeight;
    }

    private static String numbers(int[] examples) {
        String first = java.util.Arrays.stream(examples).limit(8).mapToObj(i -> String.valueOf(i + 1))
            .collect(java.util.stream.Collectors.joining(", "));
        return examples.length > 8 ? first + " and " + (examples.length - 8) + " more" : first;
    }

    private long tokens(int step) {
        return java.util.Arrays.stream(plan.examples(step)).mapToLong(loss::tokens).sum();
    }
}
