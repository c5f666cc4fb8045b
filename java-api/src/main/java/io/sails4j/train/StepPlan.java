package io.sails4j.train;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Random;

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
            for (int[] examples : dealt(loss, shuffled(loss.size(), seed, epoch), stepTokens)) {
                if (maxSteps > 0 && steps.size() == maxSteps) {
                    return new StepPlan(steps);
                }
                steps.add(microBatches(loss, examples, microTokens, packing));
            }
        }
        return new StepPlan(steps);
    }

    static StepPlan of(Loss loss, TrainingOptions options) {
        return of(loss, options.epochs(), options.maxSteps(), options.stepTokens(), options.microTokens(), options.seed(),
            options.packing());
    }

    private static List<Integer> shuffled(int size, long seed, int epoch) {
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < size; i++) {
            order.add(i);
        }
        Collections.shuffle(order, new Random(seed * 1_000_003 + epoch));
        return order;
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

    /**
     * Examples by falling length (the largest batch comes first, so that memory shows at once), cut where the positions would pass the limit: the
     * longest sequence's times as many rows as the sequences take.
     */
    static List<int[]> microBatches(Loss loss, int[] examples, int microTokens, boolean packing) {
        List<Integer> sorted = new ArrayList<>(Arrays.stream(examples).boxed().toList());
        sorted.sort(Comparator.<Integer>comparingInt(loss::length).reversed().thenComparing(Comparator.naturalOrder()));
        List<int[]> batches = new ArrayList<>();
        for (int from = 0; from < sorted.size(); ) {
            int end = from + 1;
            while (end < sorted.size() && positions(loss, sorted.subList(from, end + 1), packing) <= microTokens) {
                end++;
            }
            batches.add(toArray(sorted.subList(from, end)));
            from = end;
        }
        return batches;
    }

    /** Positions of the largest micro-batch, padding included. */
    long largestMicroBatch(Loss loss, boolean packing) {
        return steps.stream().flatMap(List::stream).mapToLong(m -> positions(loss, Arrays.stream(m).boxed().toList(), packing)).max().orElse(0);
    }

    /** Tokens of the longest sequence. */
    long longest(Loss loss) {
        return Arrays.stream(usedExamples()).flatMap(i -> Arrays.stream(loss.lengths(i))).max().orElse(0);
    }

    private static long positions(Loss loss, List<Integer> examples, boolean packing) {
        int[] lengths = examples.stream().flatMapToInt(i -> Arrays.stream(loss.lengths(i))).toArray();
        long rows = packing ? Arrays.stream(SequenceBatch.pack(lengths)).max().orElse(-1) + 1 : lengths.length;
        return rows * Arrays.stream(lengths).max().orElse(0);
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
