package io.sails4j.recovery;

/**
 * One measurement.
 *
 * @param error the distance of the projections onto the subspace found and the planted one, in Frobenius' norm
 */
public record RecoveryRow(Identification way, RecoveryPoint point, int repetition, double error) {
}
