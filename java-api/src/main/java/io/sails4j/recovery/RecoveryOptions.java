package io.sails4j.recovery;

import io.sails4j.InputException;
import java.util.ArrayList;
import java.util.List;

/**
 * What is measured: each of three numbers is varied while the others stay.
 *
 * @param centre the point through which all three lines go
 * @param ratios features for each dimension
 * @param dimensions of the vectors, the ratio kept
 * @param samples numbers of vectors
 * @param safetyFeatures features that differ between the sides, r
 * @param seeds repetitions of every point
 */
public record RecoveryOptions(RecoveryPoint centre, List<Integer> ratios, List<Integer> dimensions, List<Integer> samples,
    int safetyFeatures, int seeds) {
    public RecoveryOptions {
        ratios = List.copyOf(ratios);
        dimensions = List.copyOf(dimensions);
        samples = List.copyOf(samples);
        if (seeds < 2) {
            throw new InputException("seeds is " + seeds + ", expected 2 or more: one repetition gives no interval");
        }
        int fewest = dimensions.stream().mapToInt(Integer::intValue).min().orElse(centre.dimension());
        int least = ratios.stream().mapToInt(Integer::intValue).min().orElse(1) * centre.dimension();
        if (safetyFeatures < 2 || safetyFeatures >= Math.min(fewest, Math.min(least, centre.features()))) {
            throw new InputException("safety_features is " + safetyFeatures + ", expected 2 or more and fewer than the smallest dimension "
                + fewest + " and than the fewest features");
        }
    }

    /** Some minutes on two cores. */
    public static RecoveryOptions defaults() {
        return new RecoveryOptions(new RecoveryPoint(64, 256, 16_384), List.of(1, 2, 4, 8), List.of(32, 64, 128),
            List.of(1024, 4096, 16_384, 65_536), 6, 5);
    }

    /** Seconds: fewer points, wider intervals. */
    public static RecoveryOptions quick() {
        return new RecoveryOptions(new RecoveryPoint(32, 128, 8192), List.of(1, 4), List.of(32, 64), List.of(1024, 8192), 4, 3);
    }

    /** All points, each once. */
    List<RecoveryPoint> points() {
        List<RecoveryPoint> points = new ArrayList<>(List.of(centre));
        for (int ratio : ratios) {
            points.add(new RecoveryPoint(centre.dimension(), ratio * centre.dimension(), centre.samples()));
        }
        for (int dimension : dimensions) {
            points.add(new RecoveryPoint(dimension, (int) Math.round(centre.polysemanticity() * dimension), centre.samples()));
        }
        for (int n : samples) {
            points.add(new RecoveryPoint(centre.dimension(), centre.features(), n));
        }
        return points.stream().distinct().toList();
    }
}
