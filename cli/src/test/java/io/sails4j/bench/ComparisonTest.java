package io.sails4j.bench;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.LinkedHashMap;
import java.util.List;
import java.util.SequencedMap;
import org.junit.jupiter.api.Test;

class ComparisonTest {
    private static final double[] SEVEN = {1.00, 1.01, 0.99, 1.02, 0.98, 1.03, 0.97};

    private static List<Times> times(double factor) {
        double[] samples = SEVEN.clone();
        for (int i = 0; i < samples.length; i++) {
            samples[i] *= factor;
        }
        return List.of(Times.median(samples));
    }

    @Test
    void rowsThatDifferAreMarkedAndThoseOfOneSideNamed() {
        SequencedMap<String, List<Times>> here = new LinkedHashMap<>();
        SequencedMap<String, List<Times>> there = new LinkedHashMap<>();
        here.put("new", times(1));
        here.put("slower", times(2.2));
        here.put("same", times(1.005));
        here.put("faster", times(0.5));
        here.put("once", List.of(Times.median(9)));
        there.put("faster", times(1));
        there.put("old", times(1));
        there.put("same", times(1));
        there.put("slower", times(2));
        there.put("once", List.of(Times.median(1)));
        Comparison comparison = Comparison.of(here, there);
        assertThat(comparison.onlyHere()).containsExactly("new");
        assertThat(comparison.onlyThere()).containsExactly("old");
        assertThat(comparison.rows()).extracting(Comparison.Row::name).containsExactly("slower", "same", "faster", "once");
        assertThat(comparison.rows()).extracting(Comparison.Row::differs).containsExactly(true, false, true, false);
        assertThat(comparison.rows().getFirst().ratio().value()).isCloseTo(1.1, within(0.005));
        assertThat(comparison.rows().get(2).ratio().high()).isBetween(0.5, 0.55);
        assertThat(comparison.meanRatio()).isCloseTo(Math.pow(1.1 * 1.005 * 0.5 * 9, 0.25), within(0.01));
    }

    /** Repetitions of a round agree to a percent and rounds differ by half: what such a machine shows of another build is nothing. */
    @Test
    void roundsKnowWhatTheMachineDoes() {
        SequencedMap<String, List<Times>> here = new LinkedHashMap<>();
        SequencedMap<String, List<Times>> there = new LinkedHashMap<>();
        here.put("row", List.of(times(1.5).getFirst(), times(1).getFirst(), times(1.3).getFirst(), times(1.4).getFirst()));
        there.put("row", List.of(times(1.1).getFirst(), times(1.6).getFirst(), times(0.9).getFirst(), times(1.2).getFirst()));
        Comparison comparison = Comparison.of(here, there);
        assertThat(comparison.rounds()).isTrue();
        assertThat(comparison.rows().getFirst().differs()).isFalse();
        assertThat(comparison.rows().getFirst().here()).isEqualTo(1.4);
        SequencedMap<String, List<Times>> one = new LinkedHashMap<>();
        one.put("row", times(1));
        assertThat(Comparison.of(one, there).rounds()).isFalse();
    }
}
