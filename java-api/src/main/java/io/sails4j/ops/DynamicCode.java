package io.sails4j.ops;

import java.util.Arrays;

/**
 * Code books of dynamic tree quantisation (arXiv:2110.02861, section 1.3; bitsandbytes create_dynamic_map): seven decades below 1, each
 * with twice as many equal steps as the one below it, the codes in the middle of the steps, beside 0 and 1. Small numbers keep their order
 * of magnitude, large ones get the finer steps.
 */
public final class DynamicCode {
    /** What a byte can name. */
    static final int CODES = 256;

    private static final int DECADES = 7;

    private DynamicCode() {
    }

    /** 256 rising codes in [-1, 1]. */
    public static float[] signed() {
        return codes(true);
    }

    /** 256 rising codes in [0, 1]. */
    public static float[] unsigned() {
        return codes(false);
    }

    private static float[] codes(boolean signed) {
        float[] codes = new float[CODES];
        int n = 0;
        for (int decade = 0; decade < DECADES; decade++) {
            int steps = signed ? 1 << decade : 2 << decade;
            double top = Math.pow(10, decade - DECADES + 1);
            for (int i = 0; i < steps; i++) {
                float code = (float) (top * (0.1 + 0.9 * (i + 0.5) / steps));
                codes[n++] = code;
                if (signed) {
                    codes[n++] = -code;
                }
            }
        }
        codes[n++] = 0;
        codes[n] = 1;
        Arrays.sort(codes);
        return codes;
    }
}
