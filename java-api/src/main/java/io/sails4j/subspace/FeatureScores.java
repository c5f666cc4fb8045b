package io.sails4j.subspace;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * Contrastive scores of one SAE's features: |mean over aligned - mean over unaligned| (arXiv:2512.23260), and the means behind them.
 */
public record FeatureScores(double[] meanAligned, double[] meanUnaligned) {
    /** A feature's score: mean activation over unaligned less that over aligned. */
    public double score(int feature) {
        return Math.abs(meanAligned[feature] - meanUnaligned[feature]);
    }

    /** The scores of all features. */
    public double[] scores() {
        double[] scores = new double[meanAligned.length];
        for (int i = 0; i < scores.length; i++) {
            scores[i] = score(i);
        }
        return scores;
    }

    /** The k features of largest score above 0, by falling score, equal scores by rising id; fewer if fewer have a score. */
    public int[] top(int k) {
        List<Integer> ids = new ArrayList<>();
        for (int i = 0; i < meanAligned.length; i++) {
            if (score(i) > 0) {
                ids.add(i);
            }
        }
        ids.sort(Comparator.comparingDouble((Integer i) -> -score(i)).thenComparingInt(i -> i));
        return ids.stream().limit(k).mapToInt(Integer::intValue).toArray();
    }
}
