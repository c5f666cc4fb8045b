package io.sails4j.recovery;

import io.sails4j.InputException;
import java.util.List;

/**
 * What is measured.
 *
 * @param safetyFeatures features that differ between the sides, r
 * @param seeds repetitions of every point
 * @param saeSteps of each autoencoder's training
 */
public record RecoveryOptions(RecoveryGrid grid, int safetyFeatures, int seeds, long saeSteps) {
    public RecoveryOptions {
        if (seeds < 2) {
            throw new InputException("seeds is " + seeds + ", expected 2 or more: one repetition gives no interval");
        }
        int most = grid.points().stream().mapToInt(p -> Math.min(p.dimension(), p.features())).min().orElseThrow();
        if (safetyFeatures < 2 || safetyFeatures >= most) {
            throw new InputException("safety_features is " + safetyFeatures + ", expected 2 or more and fewer than " + most
                + ", the fewest dimensions or features of a point");
        }
        if (saeSteps < 1) {
            throw new InputException("sae_steps is " + saeSteps + ", expected 1 or more");
        }
    }

    /** Some minutes on two cores. */
    public static RecoveryOptions defaults() {
        return new RecoveryOptions(new RecoveryGrid(new RecoveryPoint(64, 256, 16_384), List.of(1, 2, 4, 8), List.of(32, 64, 128),
            List.of(1024, 4096, 16_384, 65_536)), 6, 5, 3000);
    }

    /** Less than a minute: fewer points, wider intervals. */
    public static RecoveryOptions quick() {
        return new RecoveryOptions(new RecoveryGrid(new RecoveryPoint(64, 256, 8192), List.of(1, 4), List.of(32, 64), List.of(1024, 8192)),
            4,
            3, 1500);
    }
}
