package io.sails4j.objective;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.Comparator;
import java.util.List;
import java.util.Random;

/** Groups sequences of similar length, so that little is padding. */
public final class LengthBatches {
    private LengthBatches() {
    }

    /** Batches of consecutive lengths whose padded size is at most {@code tokenBudget} (a longer sequence is a batch of its own). */
    public static List<int[]> byLength(int[] lengths, int tokenBudget) {
        Integer[] order = new Integer[lengths.length];
        Arrays.setAll(order, i -> i);
        Arrays.sort(order, Comparator.comparingInt((Integer i) -> lengths[i]).thenComparingInt(i -> i));
        return cut(order, lengths, tokenBudget);
    }

    private static List<int[]> cut(Integer[] order, int[] lengths, int tokenBudget) {
        List<int[]> batches = new ArrayList<>();
        int begin = 0;
        int longest = 0;
        for (int i = 0; i <= order.length; i++) {
            int next = i < order.length ? Math.max(longest, lengths[order[i]]) : Integer.MAX_VALUE;
            if (i > begin && (i == order.length || (long) next * (i + 1 - begin) > tokenBudget)) {
                batches.add(Arrays.stream(order, begin, i).mapToInt(Integer::intValue).toArray());
                begin = i;
                longest = i < order.length ? lengths[order[i]] : 0;
            } else {
                longest = next;
            }
        }
        return batches;
    }

    /** One epoch: sequences of equal length and the batches are shuffled by the seed and the epoch. */
    public static List<int[]> shuffled(int[] lengths, int tokenBudget, long seed, int epoch) {
        Random random = new Random(seed * 1_000_003 + epoch);
        List<Integer> order = new ArrayList<>();
        for (int i = 0; i < lengths.length; i++) {
            order.add(i);
        }
        Collections.shuffle(order, random);
        order.sort(Comparator.comparingInt(i -> lengths[i])); // stable: ties stay shuffled
        List<int[]> batches = cut(order.toArray(Integer[]::new), lengths, tokenBudget);
        Collections.shuffle(batches, random);
        return batches;
    }
}
