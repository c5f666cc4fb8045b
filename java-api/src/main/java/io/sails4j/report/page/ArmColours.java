package io.sails4j.report.page;

import java.util.ArrayList;
import java.util.List;

/** One colour an arm, the same in all charts of a part. */
final class ArmColours {
    /** So many colours are told apart; then they come again. */
    private static final int MOST = 6;

    private final List<String> arms = new ArrayList<>();

    int of(String arm) {
        if (!arms.contains(arm)) {
            arms.add(arm);
        }
        return arms.indexOf(arm) % MOST + 1;
    }
}
