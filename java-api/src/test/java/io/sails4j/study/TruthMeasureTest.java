package io.sails4j.study;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;

/** How well scores tell labels apart, and what a probe finds in vectors of which it is known. */
class TruthMeasureTest {
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
