package io.sails4j.loop;

import io.sails4j.objective.Loss;
import io.sails4j.objective.MicroBatches;
import io.sails4j.objective.PolicyLoss;
import io.sails4j.objective.Shuffle;
import io.sails4j.train.Batching;
import io.sails4j.train.TrainingOptions;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The examples of every optimizer step, in micro-batches, laid out before the first: the number of steps decides the schedule. Examples are
 * shuffled per epoch and dealt to steps in that order; only inside a step are they sorted by length, which keeps padding small
 * without making a step's lengths alike.
 */
public record StepPlan(List<List<int[]>> steps) {
    public StepPlan {
        steps = List.copyOf(steps);
    }

    /**
     * @param maxSteps stop after this many, 0 = by epochs alone
     * @param stepTokens real tokens of a step; the last step of an epoch may have fewer, and an example that is longer is a step
     * @param microTokens positions of a micro-batch with its padding; an example that is longer is a micro-batch
     * @param packing several sequences share a row
     */
    public static StepPlan of(Loss loss, int epochs, long maxSteps, int stepTokens, int microTokens, long seed, boolean packing) {
        List<List<int[]>> steps = new ArrayList<>();
        for (int epoch = 0; epoch < epochs; epoch++) {
            for (int[] examples : dealt(loss, Shuffle.ofEpoch(loss.size(), seed, epoch), stepTokens)) {
                if (maxSteps > 0 && steps.size() == maxSteps) {
                    return new StepPlan(steps);
                }
                steps.add(MicroBatches.of(loss, examples, microTokens, packing));
            }
        }
        return new StepPlan(steps);
    }

    static StepPlan of(Loss loss, TrainingOptions options) {
        Batching b = options.batching();
        if (loss instanceof PolicyLoss policy) {
            // How long answers are is not known yet: each step cuts them anew.
            return new StepPlan(IntStream.range(0, policy.plan().steps()).mapToObj(step -> List.of(policy.examples(step))).toList());
        }
        return of(loss, b.epochs(), b.maxSteps(), b.batchTokens(), b.microBatchTokens(), options.seed(), b.packing());
    }

    private static List<int[]> dealt(Loss loss, List<Integer> order, int stepTokens) {
        List<int[]> steps = new ArrayList<>();
        List<Integer> open = new ArrayList<>();
        long tokens = 0;
        for (int example : order) {
            if (!open.isEmpty() && tokens + loss.tokens(example) > stepTokens) {
                steps.add(toArray(open));
                open.clear();
                tokens = 0;
            }
            open.add(example);
            tokens += loss.tokens(example);
        }
        if (!open.isEmpty()) {
            steps.add(toArray(open));
        }
        return steps;
    }

    /** Positions of the largest micro-batch, padding included; of sampled answers, the most that it can have. */
    long largestMicroBatch(Loss loss, Batching batching) {
        if (loss.samplesAnswers()) {
            return Math.min(longest(loss) * loss.size(), Math.max(batching.microBatchTokens(), longest(loss)));
        }
        boolean packing = batching.packing();
        return steps.stream().flatMap(List::stream).mapToLong(m -> MicroBatches.positions(loss, m, packing)).max().orElse(0);
    }

    /** Tokens of the longest sequence. */
    long longest(Loss loss) {
        return Arrays.stream(usedExamples()).flatMap(i -> Arrays.stream(loss.lengths(i))).max().orElse(0);
    }

    private static int[] toArray(List<Integer> values) {
        return values.stream().mapToInt(Integer::intValue).toArray();
    }

    /** All examples of a step. */
    public int[] examples(int step) {
        return steps.get(step).stream().flatMapToInt(Arrays::stream).toArray();
    }

    /** Every example that some step uses, once, rising. */
    public int[] usedExamples() {
        return steps.stream().flatMap(List::stream).flatMapToInt(Arrays::stream).distinct().sorted().toArray();
    }
}
