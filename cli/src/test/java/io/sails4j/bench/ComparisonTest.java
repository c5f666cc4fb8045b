package io.sails4j.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.LinkedHashMap;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;

class ComparisonTest {
    private static final double[] SEVEN = {1.00, 1.01, 0.99, 1.02, 0.98, 1.03, 0.97};

    private static Times times(double factor) {
        double[] samples = SEVEN.clone();
        for (int i = 0; i < samples.length; i++) {
            samples[i] *= factor;
        }
        return Times.median(samples);
    }

    @Test
    void rowsThatDifferAreMarkedAndThoseOfOneSideNamed() {
        SequencedMap<String, Times> here = new LinkedHashMap<>();
        SequencedMap<String, Times> there = new LinkedHashMap<>();
        here.put("new", times(1));
        here.put("slower", times(2.2));
        here.put("same", times(1.005));
        here.put("faster", times(0.5));
        here.put("once", Times.median(9));
        there.put("faster", times(1));
        there.put("old", times(1));
        there.put("same", times(1));
        there.put("slower", times(2));
        there.put("once", Times.median(1));
        Comparison comparison = Comparison.of(here, there);
        assertThat(comparison.onlyHere()).containsExactly("new");
        assertThat(comparison.onlyThere()).containsExactly("old");
        assertThat(comparison.rows()).extracting(Comparison.Row::name).containsExactly("slower", "same", "faster", "once");
        assertThat(comparison.rows()).extracting(Comparison.Row::differs).containsExactly(true, false, true, false);
        assertThat(comparison.rows().getFirst().ratio().value()).isCloseTo(1.1, within(0.005));
        assertThat(comparison.rows().get(2).ratio().high()).isBetween(0.5, 0.55);
        assertThat(comparison.meanRatio()).isCloseTo(Math.pow(1.1 * 1.005 * 0.5 * 9, 0.25), within(0.01));
    }
}
