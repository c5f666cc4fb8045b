package io.sails4j.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Quantiles that tables print, and an interval by hand. */
class StudentTTest {
    /** NIST/SEMATECH e-Handbook, 1.3.6.7.2. */
    @ParameterizedTest
    @CsvSource({"1, 0.975, 12.706", "2, 0.975, 4.303", "3, 0.975, 3.182", "4, 0.975, 2.776", "5, 0.95, 2.015", "9, 0.975, 2.262",
        "10, 0.995, 3.169", "30, 0.999, 3.385", "100, 0.975, 1.984"})
    void quantilesOfTheTable(int degrees, double probability, double t) {
        assertThat(StudentT.quantile(probability, degrees)).isCloseTo(t, within(5e-4));
    }

    @Test
    void anIntervalByHand() {
        // Mean 4, s = 2, so 4.303 * 2 / sqrt(3) on either side.
        Interval interval = StudentT.mean(new double[] {2, 4, 6}, 0.95);
        assertThat(interval.value()).isEqualTo(4);
        assertThat(interval.high() - 4).isCloseTo(4.3027 * 2 / Math.sqrt(3), within(1e-3));
        assertThat(4 - interval.low()).isCloseTo(interval.high() - 4, within(1e-12));
        assertThatThrownBy(() -> StudentT.mean(new double[] {1}, 0.95)).hasMessageContaining("1 values have no interval");
    }
}
