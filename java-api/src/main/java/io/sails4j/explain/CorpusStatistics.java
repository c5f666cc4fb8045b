package io.sails4j.explain;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * What every feature of one SAE does on the counted tokens of a corpus, apart for aligned and unaligned answers: how often it is active,
 * sum, sum of squares and maximum of its activations, and where it fires most. Sums are double. Memory is proportional to the number of
 * features, whatever the number of tokens: sequences stream by once.
 */
public final class CorpusStatistics {
    /** The aligned answers. */
    public static final int ALIGNED = 0;
    /** The unaligned answers. */
    public static final int UNALIGNED = 1;

    private static final int SIDES = 2;
    private static final Comparator<Peak> STRONGEST_FIRST = Comparator.comparingDouble((Peak peak) -> -peak.activation())
        .thenComparingInt(Peak::side).thenComparingInt(Peak::sequence);

    private final int dSae;
    private final long[] tokens = new long[SIDES];
    private final long[][] count;
    private final double[][] sum;
    private final double[][] sumSquares;
    private final float[][] maximum;
    private final TopPeaks[] peaks;
    private final SequencePeaks ofSequence;

    /**
     * Statistics of no token.
     *
     * @param peaks places that are kept for each feature and side
     */
    public CorpusStatistics(int dSae, int peaks) {
        this.dSae = dSae;
        this.count = new long[SIDES][dSae];
        this.sum = new double[SIDES][dSae];
        this.sumSquares = new double[SIDES][dSae];
        this.maximum = new float[SIDES][dSae];
        this.peaks = new TopPeaks[] {new TopPeaks(dSae, peaks), new TopPeaks(dSae, peaks)};
        this.ofSequence = new SequencePeaks(dSae);
    }

    /** Adds the counted tokens of a sequence. */
    void add(int side, int sequence, int[] ids, Activations activations) {
        tokens[side] += activations.tokens();
        activations.forEach((position, feature, activation) -> {
            // An activation of 0 is none.
            if (activation > 0) {
                count[side][feature]++;
                sum[side][feature] += activation;
                sumSquares[side][feature] += (double) activation * activation;
                maximum[side][feature] = Math.max(maximum[side][feature], activation);
                ofSequence.see(feature, position, activation);
            }
        });
        long[] beginnings = beginnings(ids);
        ofSequence.drain((position, feature, activation) -> peaks[side].offer(feature, sequence, position, activation,
            beginnings[position]));
    }

    /** A hash of the tokens up to each position; that two beginnings share one of 64 bits does not happen. */
    private static long[] beginnings(int[] ids) {
        long[] hashes = new long[ids.length];
        long hash = 0;
        for (int t = 0; t < ids.length; t++) {
            hash = (hash + ids[t] + 1) * 0x9E3779B97F4A7C15L;
            hash ^= hash >>> 29;
            hashes[t] = hash;
        }
        return hashes;
    }

    /** Features of the SAE. */
    public int dSae() {
        return dSae;
    }

    /** Counted tokens of a side. */
    public long tokens(int side) {
        return tokens[side];
    }

    /** Tokens of a side on which a feature is active. */
    public long count(int side, int feature) {
        return count[side][feature];
    }

    /** Sum of a feature's activations over the tokens of a side. */
    public double sum(int side, int feature) {
        return sum[side][feature];
    }

    /** Sum of their squares. */
    public double sumSquares(int side, int feature) {
        return sumSquares[side][feature];
    }

    /** A feature's largest activation on a side, 0 where it is never active. */
    public float maximum(int side, int feature) {
        return maximum[side][feature];
    }

    /** Mean activation over all counted tokens of a side, those where it is not active included; NaN where there is no token. */
    public double mean(int side, int feature) {
        return sum[side][feature] / tokens[side];
    }

    /** Mean activation over the counted tokens of both sides. */
    public double mean(int feature) {
        return (sum[ALIGNED][feature] + sum[UNALIGNED][feature]) / (tokens[ALIGNED] + tokens[UNALIGNED]);
    }

    /** Share of the counted tokens of a side on which a feature is active. */
    public double frequency(int side, int feature) {
        return (double) count[side][feature] / tokens[side];
    }

    /** Standard deviation of a feature's activations over the tokens of a side: the root of the mean square less the squared mean. */
    public double deviation(int side, int feature) {
        double mean = mean(side, feature);
        return Math.sqrt(Math.max(0, sumSquares[side][feature] / tokens[side] - mean * mean));
    }

    /** Where a feature fires most, on both sides together and the strongest first; one place a sequence, and one a beginning of a text. */
    public List<Peak> peaks(int feature) {
        List<Peak> found = new ArrayList<>();
        for (int side = 0; side < SIDES; side++) {
            found.addAll(peaks[side].of(feature, side));
        }
        found.sort(STRONGEST_FIRST);
        return found;
    }
}
