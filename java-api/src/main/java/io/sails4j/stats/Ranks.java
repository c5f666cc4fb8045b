package io.sails4j.stats;

import java.util.Comparator;
import java.util.stream.IntStream;

/** Statistics of ranks. */
public final class Ranks {
    private Ranks() {
    }

    /** The chance that a positive one scores above a negative one, ties counted as half (Mann, Whitney 1947). */
    public static double auc(double[] scores, boolean[] labels) {
        Integer[] order = IntStream.range(0, scores.length).boxed().sorted(Comparator.comparingDouble(i -> scores[i]))
            .toArray(Integer[]::new);
        double ranks = 0;
        long positives = 0;
        for (int from = 0; from < order.length;) {
            int to = from;
            while (to < order.length && scores[order[to]] == scores[order[from]]) {
                to++;
            }
            for (int i = from; i < to; i++) {
                if (labels[order[i]]) {
                    ranks += (from + 1 + to) / 2.0;
                    positives++;
                }
            }
            from = to;
        }
        long negatives = scores.length - positives;
        return (ranks - positives * (positives + 1) / 2.0) / ((double) positives * negatives);
    }
}
