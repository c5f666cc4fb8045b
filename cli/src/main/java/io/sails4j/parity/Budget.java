package io.sails4j.parity;

/**
 * How far a result may be from the stored one.
 *
 * @param stated the limit of the arithmetic and the kind of value, as the reference data states it
 * @param float32Error how far plain float32 of PyTorch was on a CPU; 0 where that is not recorded
 */
public record Budget(double stated, double float32Error) {
    /** What PyTorch's own error in float32 is multiplied with: another order of the sums is as good. */
    static final double ROOM = 3;

    /** A limit beside which nothing is recorded. */
    public static Budget stated(double limit) {
        return new Budget(limit, 0);
    }

    /** The larger of the stated limit and three times PyTorch's error. */
    public double limit() {
        return Math.max(stated, ROOM * float32Error);
    }
}
