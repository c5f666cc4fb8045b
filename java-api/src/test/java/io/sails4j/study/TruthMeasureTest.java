package io.sails4j.study;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;

/** How well scores tell labels apart, and what a probe finds in vectors of which it is known. */
class TruthMeasureTest {
    @Test
    void theAucIsTheShareOfPairsInTheRightOrder() {
        // Of 2 * 3 pairs 4 are in order and one is a tie.
        assertThat(TruthMeasure.auc(new double[] {0.9, 0.4, 0.1, 0.4, 0.6}, new boolean[] {true, true, false, false, false}))
            .isCloseTo(4.5 / 6, within(1e-12));
        assertThat(TruthMeasure.auc(new double[] {1, 1, 1}, new boolean[] {true, false, false})).isEqualTo(0.5);
    }

    @Test
    void aProbeFindsADirectionBesideALouderOne() {
        float[][] x = new float[40][];
        boolean[] labels = new boolean[40];
        for (int i = 0; i < x.length; i++) {
            labels[i] = i % 2 == 0;
            // The second coordinate is large, changes slowly, and says nothing.
            x[i] = new float[] {labels[i] ? 1.2f : 0.8f, 10 * (i / 2), 3};
        }
        LinearProbe probe = LinearProbe.fit(x, labels);
        for (int i = 0; i < x.length; i++) {
            assertThat(probe.score(x[i]) > 0).isEqualTo(labels[i]);
        }
    }
}
