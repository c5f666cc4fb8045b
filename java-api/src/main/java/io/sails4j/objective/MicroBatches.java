package io.sails4j.objective;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Comparator;
import java.util.List;

/** How examples are cut into batches that go through the model at once. */
public final class MicroBatches {
    private MicroBatches() {
    }

    /**
     * Examples by falling length (the largest batch comes first, so that memory shows at once), cut where the positions would pass the
     * limit: the longest sequence's times as many rows as the sequences take.
     *
     * @param microTokens positions of a micro-batch with its padding; an example that is longer is a micro-batch
     * @param packing several sequences share a row
     */
    public static List<int[]> of(Loss loss, int[] examples, int microTokens, boolean packing) {
        List<Integer> sorted = new ArrayList<>(Arrays.stream(examples).boxed().toList());
        sorted.sort(Comparator.<Integer>comparingInt(loss::length).reversed().thenComparing(Comparator.naturalOrder()));
        List<int[]> batches = new ArrayList<>();
        for (int from = 0; from < sorted.size();) {
            int end = from + 1;
            while (end < sorted.size() && positions(loss, toArray(sorted.subList(from, end + 1)), packing) <= microTokens) {
                end++;
            }
            batches.add(toArray(sorted.subList(from, end)));
            from = end;
        }
        return batches;
    }

    /** Positions of one batch of these examples, padding included. */
    public static long positions(Loss loss, int[] examples, boolean packing) {
        int[] lengths = Arrays.stream(examples).flatMap(i -> Arrays.stream(loss.lengths(i))).toArray();
        long rows = packing ? Arrays.stream(SequenceBatch.pack(lengths)).max().orElse(-1) + 1 : lengths.length;
        return rows * Arrays.stream(lengths).max().orElse(0);
    }

    private static int[] toArray(List<Integer> values) {
        return values.stream().mapToInt(Integer::intValue).toArray();
    }
}
