package io.sails4j.adaptation;

/**
 * Squared Frobenius norms of a weight update.
 *
 * @param all |dW|^2
 * @param inside |P dW|^2, P on the side of the residual stream
 */
public record UpdateSquares(double all, double inside) {
    /** Of no module. */
    public static final UpdateSquares ZERO = new UpdateSquares(0, 0);

    public UpdateSquares plus(UpdateSquares other) {
        return new UpdateSquares(all + other.all, inside + other.inside);
    }

    public UpdateSquares times(double factor) {
        return new UpdateSquares(all * factor, inside * factor);
    }

    /** What of the update lies inside; rounding does not lift it above 1. NaN where nothing is updated. */
    public double share() {
        return all == 0 ? Double.NaN : Math.min(1, inside / all);
    }
}
