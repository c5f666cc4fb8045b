package io.sails4j.objective;

import io.sails4j.InputException;
import io.sails4j.data.Origin;
import io.sails4j.data.TokenPair;
import io.sails4j.io.SafetensorsFile;
import io.sails4j.model.AdapterStack;
import io.sails4j.ops.PreferenceKind;
import io.sails4j.options.Options;
import io.sails4j.tensor.HostTensor;
import io.sails4j.train.ObjectiveOptions;
import io.sails4j.train.Reference;
import io.sails4j.trainable.Trainable;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Objects;
import java.util.SequencedMap;
import java.util.function.BooleanSupplier;
import java.util.function.DoubleSupplier;
import org.jspecify.annotations.Nullable;

/**
 * An objective over a list of examples: L = sum of the examples' losses / sum of their weights, over the examples of one optimizer step.
 * The denominator is known before the first micro-batch, so any split into micro-batches gives the same gradient.
 */
public sealed interface Loss permits SftLoss, PreferenceLoss, PolicyLoss {
    /** What options ask for, over some pairs. */
    static Loss of(ObjectiveOptions options, List<TokenPair> pairs) {
        double beta = options.beta();
        boolean live = options.reference() == Reference.LIVE;
        return switch (options.objective()) {
            case SFT -> new SftLoss(pairs.stream().map(TokenPair::aligned).toList());
            case DPO -> new PreferenceLoss(pairs, beta, PreferenceKind.DPO, live);
            case IPO -> new PreferenceLoss(pairs, beta, PreferenceKind.IPO, live);
            case ORPO -> new PreferenceLoss(pairs, beta, PreferenceKind.ORPO);
            case RLOO, GRPO -> throw new InputException("the objective '" + Options.label(options.objective())
                + "' learns from prompts and the rewards of sampled answers, not from pairs: give it a task");
        };
    }

    /** Number of examples; they are numbered from 0. */
    int size();

    /** Lengths of an example's sequences: one for SFT, two for preferences. */
    int[] lengths(int example);

    /** How many tokens of each are counted and predicted. */
    int[] predicted(int example);

    /** The length of the longest of them. */
    default int length(int example) {
        return Arrays.stream(lengths(example)).max().orElse(0);
    }

    /** Real tokens of an example. */
    default int tokens(int example) {
        return Arrays.stream(lengths(example)).sum();
    }

    /** Where an example comes from, null where nobody said. */
    @Nullable
    Origin origin(int example);

    /** Examples for a message: the lines of the user's file, or their numbers from 1 where those are not known. */
    default String names(int[] examples) {
        List<Origin> origins = Arrays.stream(examples).mapToObj(this::origin).filter(Objects::nonNull).toList();
        return origins.size() == examples.length ? Origin.describe(origins)
            : Origin.listed("example", Arrays.stream(examples).mapToObj(i -> i + 1L).toList());
    }

    /** An example's share of the denominator: its counted tokens for SFT, 1 for preferences. */
    double weight(int example);

    /** The sum of the losses of some examples, run as one batch. */
    double sum(PassContext context, AdapterStack adapters, int[] examples);

    /** The examples' sequences in rows; needs nothing of the device. */
    SequenceBatch batch(int[] examples, boolean packing);

    /**
     * Queues the forward and the backward of one batch: adds the gradient of (sum / {@code totalWeight}) to the trainable's gradients, and
     * does not wait.
     *
     * @param batch of {@link #batch} for these examples
     * @return the sum of the losses, to be asked for after {@link StepReadings#read}
     */
    DoubleSupplier queueSumAndGradient(PassContext context, Trainable trainable, SequenceBatch batch, int[] examples, double totalWeight,
        StepReadings readings);

    /** The same at once. */
    default double sumAndGradient(PassContext context, Trainable trainable, int[] examples, double totalWeight) {
        try (StepReadings readings = new StepReadings(context.model().engine().device())) {
            DoubleSupplier sum = queueSumAndGradient(context, trainable, batch(examples, context.packing()), examples, totalWeight,
                readings);
            readings.read();
            return sum.getAsDouble();
        }
    }

    /** What must be computed from the untrained model, once, before the first step. */
    default void prepare(PassContext context, int[] examples, int microTokens) {
    }

    /** Whether the examples are answers that the model gives while it is trained, so that they change from step to step. */
    default boolean samplesAnswers() {
        return false;
    }

    /**
     * Before each step, from 0: gets its examples where they are not known yet.
     *
     * @return false where {@code stop} said so
     */
    default boolean begin(PassContext context, AdapterStack adapters, int step, int microTokens, BooleanSupplier stop) {
        return true;
    }

    /** What is told of the answers of the last step, null where none are sampled. */
    default @Nullable PolicyMetrics metrics() {
        return null;
    }

    /** What a checkpoint after so many steps must keep of the examples. */
    default SequencedMap<String, HostTensor> state(int steps) {
        return new LinkedHashMap<>();
    }

    /** Goes on from what {@link #state} gave. */
    default void restore(int steps, SafetensorsFile state) {
    }

    default double totalWeight(int[] examples) {
        double total = 0;
        for (int example : examples) {
            total += weight(example);
        }
        return total;
    }

    /** The mean loss of some examples in micro-batches of at most {@code microTokens} positions; no gradients. */
    default double mean(PassContext context, AdapterStack adapters, int[] examples, int microTokens) {
        double sum = 0;
        for (int[] micro : MicroBatches.of(this, examples, microTokens, context.packing())) {
            sum += sum(context, adapters, micro);
        }
        return sum / totalWeight(examples);
    }
}
