package io.sails4j.recovery;

import java.util.ArrayList;
import java.util.List;

/**
 * The points that are measured: each of three numbers is varied while the others stay.
 *
 * @param centre the point through which all three lines go
 * @param ratios features for each dimension
 * @param dimensions of the vectors, the ratio kept
 * @param samples numbers of vectors
 */
public record RecoveryGrid(RecoveryPoint centre, List<Integer> ratios, List<Integer> dimensions, List<Integer> samples) {
    public RecoveryGrid {
        ratios = List.copyOf(ratios);
        dimensions = List.copyOf(dimensions);
        samples = List.copyOf(samples);
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
