package io.sails4j.model;

/**
 * What the backward computes again instead of finding it kept, layer by layer, with the same bits. The lowest layers are computed again in
 * full: only their input is kept. The next ones selectively (after arXiv:2205.05198, section 5): what products and attention gave is kept,
 * and what takes much memory but few operations, the norms' outputs, the sum in the middle and the gated activation, is computed again. All
 * others keep everything.
 *
 * @param full so many layers, from the lowest on
 * @param selective so many above those
 */
public record RecomputePlan(int full, int selective) {
    private static final RecomputePlan NONE = new RecomputePlan(0, 0);

    /** How one layer does it. */
    public enum Kind {
        NONE, SELECTIVE, FULL
    }

    public RecomputePlan {
        if (full < 0 || selective < 0) {
            throw new IllegalArgumentException(full + " layers in full and " + selective + " selectively, expected 0 or more");
        }
    }

    /** Every layer keeps what its backward needs. */
    public static RecomputePlan none() {
        return NONE;
    }

    /** How a layer does it, counted from 0. */
    public Kind of(int layer) {
        return layer < full ? Kind.FULL : layer < full + selective ? Kind.SELECTIVE : Kind.NONE;
    }

    /** For people. */
    public String describe(int nLayers) {
        if (full == 0 && selective == 0) {
            return "nothing computed again";
        }
        return (full > 0 ? full + " of " + nLayers + " layers computed again" : "") + (full > 0 && selective > 0 ? ", " : "")
            + (selective > 0 ? selective + " of " + nLayers + " layers selectively" : "");
    }
}
