package io.sails4j.loop;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.InputException;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.model.CausalModel;
import io.sails4j.model.MemoryPlan;
import io.sails4j.model.ModelSession;
import io.sails4j.model.RecomputePlan;
import io.sails4j.model.TrainedShape;
import io.sails4j.model.WeightFormat;
import io.sails4j.objective.Loss;
import io.sails4j.objective.MicroBatches;
import io.sails4j.objective.PassContext;
import io.sails4j.objective.PolicyLoss;
import io.sails4j.objective.ReferenceCache;
import io.sails4j.objective.SequenceBatch;
import io.sails4j.objective.StepReadings;
import io.sails4j.ops.Graphs;
import io.sails4j.tensor.HostMemory;
import io.sails4j.tensor.HostTensor;
import io.sails4j.tensor.Tensor;
import io.sails4j.train.Master;
import io.sails4j.train.OptimizerOptions;
import io.sails4j.train.TrainingException;
import io.sails4j.train.TrainingOptions;
import io.sails4j.trainable.Trainable;
import io.sails4j.watch.PhaseEvent;
import io.sails4j.watch.StepEvent;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.DoubleSupplier;
import java.util.function.LongSupplier;
import org.jspecify.annotations.Nullable;

/**
 * Optimizer steps over a plan. In each step: the gradients of all micro-batches are summed with exact weights, the hook may change them,
 * their norm is taken and they are clipped, AdamW moves the parameters and holds those that the hook names to their subspace. The same
 * model, data, options and thread count give the same bits, also when the state is saved after any step and a new loop goes on from there.
 */
public final class TrainingLoop implements AutoCloseable {
    /** A loss beyond this many times the first step's (at least 1) has exploded. */
    private static final double EXPLOSION = 10;

    private final CausalModel model;
    private final Trainable trainable;
    private final Loss loss;
    private final TrainingOptions options;
    private final StepHook hook;
    private final StepPlan plan;
    private final LongSupplier nanoClock;
    private final RecomputePlan recomputation;
    private final MemoryPlan memory;
    private final ModelSession session;
    private final PassContext context;
    private final StepReadings readings;
    private final StepUpdate update;
    private final BatchPrefetcher prefetcher;
    private final long warmup;
    private List<int[]> microBatches = List.of();
    private int done;
    private long tokens;
    private double firstLoss = Double.NaN;
    private long start;

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
        this.plan = StepPlan.of(loss, options);
        this.warmup = (long) Math.ceil(options.schedule().warmup() * plan.steps().size());
        long positions = plan.largestMicroBatch(loss, options.batching());
        long workspace = StepWorkspace.bytes(model.engine().ops(), model.config(), model.computeDtype(), positions, plan.longest(loss));
        WeightFormat format = model.weights().format();
        this.recomputation = options.execution().recompute().of(model.config().nLayers(),
            budget -> MemoryPlan.cheapest(model.config(), model.computeDtype(), format, trained(), positions, workspace, budget));
        this.memory = MemoryPlan.of(model.config(), model.computeDtype(), format, trained(), positions, recomputation, workspace);
        requireRoom();
        this.session = ModelSession.open(model);
        try {
            this.context = context(PassContext.of(session, options.batching().packing(), recomputation));
            this.readings = new StepReadings(model.engine().device());
            this.update = new StepUpdate(model, trainable, options, hook, context, readings);
        } catch (RuntimeException e) {
            // A session that nobody closes would keep the model open.
            session.close();
            throw e;
        }
        this.prefetcher = new BatchPrefetcher(examples -> loss.batch(examples, options.batching().packing()));
        this.start = nanoClock.getAsLong();
    }

    /** What a step takes beside the weights must be there: a machine that gives out more than it has ends the process later. */
    private void requireRoom() {
        long needed = memory.keptBytes() + memory.scratchBytes() + memory.headBytes();
        long available = HostMemory.availableBytes();
        if (model.engine().device().usesHostMemory() && needed > available) {
            throw new InputException(String.format(Locale.ROOT,
                "a step needs %,d MiB for its activations and this machine has %,d MiB left: lower micro_batch_tokens=%d or max_length,"
                    + " or choose another recompute",
                needed >> 20, available >> 20, options.batching().microBatchTokens()));
        }
    }

    private PassContext context(PassContext plain) {
        if (options.execution().graphs() == Graphs.OFF) {
            return plain;
        }
        boolean records = model.engine().records();
        if (options.execution().graphs() == Graphs.ON && !records) {
            throw new InputException("graphs are asked for, and the backend " + model.engine().backend().name().toLowerCase(Locale.ROOT)
                + " records none: use graphs=auto or graphs=off");
        }
        return records ? plain.withGraphs() : plain;
    }

    private MemoryPlan.Trained trained() {
        return trained(trainable.shape(), options.optimizer());
    }

    /** What the memory plan needs to know of what is trained. */
    public static MemoryPlan.Trained trained(TrainedShape shape, OptimizerOptions optimizer) {
        return new MemoryPlan.Trained(shape, optimizer.emaDecay() > 0, optimizer.state().in8bit(),
            optimizer.state().master() == Master.BF16);
    }

    public StepPlan plan() {
        return plan;
    }

    /** Where the passes run; between two steps others may use it, and need no memory besides. */
    public ModelSession session() {
        return session;
    }

    /** What a step needs, by its largest micro-batch. */
    public MemoryPlan memory() {
        return memory;
    }

    /** What is computed again in the backward. */
    public RecomputePlan recomputation() {
        return recomputation;
    }

    /** Whether passes whose shape comes again, and what a step does around them, are launched as recorded graphs. */
    public boolean usesGraphs() {
        return context.graphs() != null;
    }

    /** Passes that were launched as graphs so far. */
    public long graphLaunches() {
        return context.graphs() == null ? 0 : context.graphs().passes();
    }

    /** Optimizer steps taken, by this loop and by those whose state it goes on from. */
    public int steps() {
        return done;
    }

    /** Real tokens of those steps. */
    public long totalTokens() {
        return tokens;
    }

    public boolean finished() {
        return done == plan.steps().size();
    }

    /** Computes what the objective needs of the untrained model; before the first step, and before a state is put back. */
    public void prepare() {
        session.reserve(memory);
        compute();
    }

    /** The same, with what an earlier run has left in {@code cache}; writes it where something was missing. */
    public void prepare(ReferenceCache cache, boolean useStored) {
        session.reserve(memory);
        if (useStored) {
            cache.load(loss);
        }
        compute();
        if (!useStored) {
            cache.save(loss);
        }
    }

    private void compute() {
        loss.prepare(context, plan.usedExamples(), options.batching().microBatchTokens());
        start = nanoClock.getAsLong();
    }

    /**
     * Prepares and runs all steps; {@code listener} sees each when it is done.
     *
     * @return the last step's metrics
     * @throws TrainingException where a loss or gradient is not finite
     */
    public StepMetrics run(Consumer<StepMetrics> listener) {
        prepare();
        StepMetrics metrics = null;
        while (!finished()) {
            metrics = Objects.requireNonNull(step(() -> false));
            listener.accept(metrics);
        }
        finish();
        return Objects.requireNonNull(metrics, "a plan has at least one step");
    }

    /**
     * The next optimizer step. The host waits for the device once: after everything up to the gradients' norms has been queued.
     *
     * @param stop asked before each micro-batch
     * @return null where {@code stop} said so: the step was not taken
     * @throws TrainingException where a loss or gradient is not finite, or the loss has exploded; the parameters are those before the step
     */
    public @Nullable StepMetrics step(BooleanSupplier stop) {
        long stepStart = nanoClock.getAsLong();
        StepEvent event = new StepEvent();
        event.begin();
        if (!begin(stop)) {
            return null;
        }
        List<DoubleSupplier> parts = new ArrayList<>();
        try (PhaseEvent _ = PhaseEvent.begin("forward-backward", done + 1)) {
            if (!queueGradients(stop, parts)) {
                return null;
            }
            update.collect();
            readings.read();
        }
        double value = loss(parts);
        requireSane(value);
        double penalty = hook.penalty();
        double share = hook.shareInside();
        double factor = options.schedule().schedule().factor(done, plan.steps().size(), warmup);
        double norm;
        try (PhaseEvent _ = PhaseEvent.begin("optimizer", done + 1)) {
            norm = updateParameters(factor);
        }
        long stepTokens = tokens(done);
        tokens += stepTokens;
        done++;
        event.step = done;
        event.loss = value;
        event.gradNorm = norm;
        event.lr = options.optimizer().adamw().lr() * factor;
        event.tokens = stepTokens;
        event.commit();
        long now = nanoClock.getAsLong();
        return new StepMetrics(done, plan.steps().size(), value, penalty, norm, options.optimizer().adamw().lr() * factor, stepTokens,
            tokens,
            stepTokens * 1e9 / Math.max(1, now - stepStart), (now - start) * 1e-6, share, flops(done - 1),
            model.engine().device().allocatedBytes(), loss.metrics());
    }

    /** The step's examples, in micro-batches; false where {@code stop} said so. */
    private boolean begin(BooleanSupplier stop) {
        int microTokens = options.batching().microBatchTokens();
        try (PhaseEvent _ = PhaseEvent.begin("examples", done + 1)) {
            if (!loss.begin(context, trainable.adapters(), done, microTokens, stop)) {
                return false;
            }
        }
        microBatches = loss.samplesAnswers() ? MicroBatches.of(loss, plan.examples(done), microTokens, options.batching().packing())
            : plan.steps().get(done);
        return true;
    }

    private double updateParameters(double factor) {
        try {
            return update.update(factor);
        } catch (TrainingException e) {
            throw new TrainingException(e.getMessage() + " (" + loss.names(plan.examples(done)) + ")");
        }
    }

    private void requireSane(double value) {
        if (done == 0) {
            firstLoss = value;
        }
        double limit = EXPLOSION * Math.max(1, firstLoss);
        // What is minimised by rewards is another function in each step.
        if (value > limit && !loss.samplesAnswers()) {
            throw new TrainingException(
                "the loss has exploded: it is " + value + " in step " + (done + 1) + " (" + loss.names(plan.examples(done))
                    + "), after " + firstLoss + " in the first step; lower the learning rate");
        }
    }

    /** Queues all micro-batches of the step; false where {@code stop} said so. */
    private boolean queueGradients(BooleanSupplier stop, List<DoubleSupplier> parts) {
        double totalWeight = loss.totalWeight(plan.examples(done));
        update.begin();
        for (int i = 0; i < microBatches.size(); i++) {
            if (stop.getAsBoolean()) {
                return false;
            }
            int[] examples = microBatches.get(i);
            SequenceBatch batch = prefetcher.take(examples, following(i));
            parts.add(loss.queueSumAndGradient(context, trainable, batch, examples, totalWeight, readings));
        }
        return true;
    }

    /** The examples of the micro-batch after this one, of this step or the next; null where there is none yet. */
    private int @Nullable [] following(int micro) {
        if (micro + 1 < microBatches.size()) {
            return microBatches.get(micro + 1);
        }
        return done + 1 < plan.steps().size() && !loss.samplesAnswers() ? plan.steps().get(done + 1).getFirst() : null;
    }

    /** The step's loss from those of its micro-batches. */
    private double loss(List<DoubleSupplier> parts) {
        double sum = 0;
        for (int i = 0; i < parts.size(); i++) {
            double part = parts.get(i).getAsDouble();
            if (!Double.isFinite(part)) {
                throw new TrainingException("the loss is " + part + " in step " + (done + 1) + ", micro-batch " + (i + 1) + " of "
                    + microBatches.size() + " (" + loss.names(microBatches.get(i)) + "); lower the learning rate, or compute in f32");
            }
            sum += part;
        }
        return sum / loss.totalWeight(plan.examples(done));
    }

    private long tokens(int step) {
        return Arrays.stream(plan.examples(step)).mapToLong(loss::tokens).sum();
    }

    private double flops(int step) {
        boolean full = !trainable.targets().parameters().isEmpty();
        double flops = 0;
        for (int example : plan.examples(step)) {
            int[] lengths = loss.lengths(example);
            int[] predicted = loss.predicted(example);
            for (int i = 0; i < lengths.length; i++) {
                flops += TrainingFlops.sequence(model.config(), lengths[i], predicted[i], full);
            }
        }
        return flops;
    }

    /** After the last step: the parameters become their moving average where one is kept. */
    public void finish() {
        update.finish();
    }

    /**
     * Every tensor that decides the future: {@code param.NAME}, the {@link AdamwOptimizer#state}, and {@code ema.NAME} where there is an
     * average; {@code rollout.} tensors where the next step learns from the same sampled answers as the last.
     */
    public SequencedMap<String, HostTensor> state() {
        SequencedMap<String, HostTensor> tensors = new LinkedHashMap<>(loss.state(done));
        update.state().forEach((name, tensor) -> tensors.put(name, tensor.toHost()));
        return tensors;
    }

    /** What else decides the future, and what is told of the past. */
    public ObjectNode counters() {
        ObjectNode json = new ObjectMapper().createObjectNode();
        return json.put("step", done).put("total_steps", plan.steps().size()).put("total_tokens", tokens).put("first_loss", firstLoss);
    }

    /**
     * Goes on from a state that another loop over the same plan saved.
     *
     * @throws InputException where the state does not fit
     */
    public void restore(SafetensorsFile state, JsonNode counters) {
        SequencedMap<String, Tensor> tensors = update.state();
        Set<String> stored = new HashSet<>(state.names());
        stored.removeIf(name -> name.startsWith(PolicyLoss.STATE));
        if (!stored.equals(tensors.keySet())) {
            throw new InputException(
                state.path() + " holds the state of another run: it has " + stored.size() + " tensors, this run has "
                    + tensors.size());
        }
        tensors.forEach((name, tensor) -> {
            HostTensor value = state.tensor(name);
            if (!value.shape().equals(tensor.shape()) || value.dtype() != tensor.dtype()) {
                throw new InputException(state.path() + ": " + name + " is " + value.dtype() + " " + value.shape() + ", this run has "
                    + tensor.dtype() + " " + tensor.shape());
            }
            tensor.upload(value.data());
        });
        if (counters.path("total_steps").asInt() != plan.steps().size()) {
            throw new InputException(state.path() + " belongs to a run of " + counters.path("total_steps").asInt() + " steps, this one has "
                + plan.steps().size());
        }
        done = counters.path("step").asInt();
        tokens = counters.path("total_tokens").asLong();
        firstLoss = counters.path("first_loss").asDouble();
        loss.restore(done, state);
        update.resumeAt(done);
    }

    @Override
    public void close() {
        prefetcher.close();
        context.close();
        session.close();
        update.close();
        readings.close();
    }
}
