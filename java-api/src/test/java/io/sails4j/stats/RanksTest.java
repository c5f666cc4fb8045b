package io.sails4j.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

class RanksTest {
    @Test
    void theAucIsTheShareOfPairsInTheRightOrder() {
        // Of 2 * 3 pairs 4 are in order and one is a tie.
        assertThat(Ranks.auc(new double[] {0.9, 0.4, 0.1, 0.4, 0.6}, new boolean[] {true, true, false, false, false}))
            .isCloseTo(4.5 / 6, within(1e-12));
        assertThat(Ranks.auc(new double[] {1, 1, 1}, new boolean[] {true, false, false})).isEqualTo(0.5);
    }
}
