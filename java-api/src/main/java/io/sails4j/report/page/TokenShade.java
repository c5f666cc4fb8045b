package io.sails4j.report.page;

import java.util.ArrayList;
import java.util.List;

/**
 * A token and how strongly a feature is active on it.
 *
 * @param depth of its shade, from 0 (not active) to 9 (the strongest)
 * @param peak whether it is the strongest
 */
public record TokenShade(String token, double activation, int depth, boolean peak) {
    private static final int DEEPEST = 9;

    /** @param strongest the activation that has the deepest shade */
    static List<TokenShade> of(List<String> tokens, List<Double> activations, double strongest) {
        double most = activations.stream().mapToDouble(Double::doubleValue).max().orElse(0);
        List<TokenShade> shades = new ArrayList<>();
        boolean found = false;
        for (int i = 0; i < tokens.size(); i++) {
            double activation = activations.get(i);
            boolean active = activation > 0 && strongest > 0;
            int depth = active ? (int) Math.clamp(Math.ceil(DEEPEST * activation / strongest), 1, DEEPEST) : 0;
            boolean peak = active && !found && activation == most;
            found |= peak;
            shades.add(new TokenShade(shown(tokens.get(i)), activation, depth, peak));
        }
        return shades;
    }

    /** A line that ends is seen, and still ends. */
    private static String shown(String token) {
        return token.replace("\r", "").replace("\n", "\u23ce\n");
    }
}
