package io.sails4j.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.List;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Against scipy 1.17 (binomtest), a numeric delta method for kappa, and the coverage of simulated intervals. */
class StatisticsTest {
    private static void requireClose(Interval found, double value, double low, double high, double tolerance) {
        assertThat(found.value()).isCloseTo(value, within(tolerance));
        assertThat(found.low()).isCloseTo(low, within(tolerance));
        assertThat(found.high()).isCloseTo(high, within(tolerance));
    }

    @Test
    void wilsonIsScipys() {
        requireClose(Rates.wilson(8, 10), 0.8, 0.4901624715366418, 0.9433178485456248, 1e-14);
        requireClose(Rates.wilson(0, 20), 0, 0, 0.16112515805281935, 1e-14);
        requireClose(Rates.wilson(20, 20), 1, 1 - 0.16112515805281935, 1, 1e-14);
        assertThat(Rates.wilson(0, 0).known()).isFalse();
        assertThatThrownBy(() -> Rates.wilson(3, 2)).isInstanceOf(IllegalArgumentException.class).hasMessageContaining("3 of 2");
    }

    @ParameterizedTest
    @CsvSource({"3,12,0.03515625", "0,5,0.0625", "7,7,1", "400,520,8.549170923883781e-05", "2100,2000,0.12206497999113655", "0,0,1"})
    void mcnemarIsTheExactBinomialTest(long first, long second, double p) {
        assertThat(Rates.mcnemar(first, second)).isCloseTo(p, within(1e-10 * p));
    }

    private static ConfusionMatrix matrix(List<String> labels, long[][] counts) {
        ConfusionMatrix matrix = new ConfusionMatrix(labels);
        for (int i = 0; i < counts.length; i++) {
            for (int j = 0; j < counts.length; j++) {
                for (long k = 0; k < counts[i][j]; k++) {
                    matrix.add(labels.get(i), labels.get(j));
                }
            }
        }
        return matrix;
    }

    @Test
    void kappaAndItsVariance() {
        ConfusionMatrix matrix = matrix(List.of("a", "b", "c"), new long[][] {{97, 1, 3}, {2, 280, 12}, {5, 10, 40}});
        requireClose(matrix.kappa(), 0.8564065869247803, 0.8101539429075562, 0.9026592309420045, 1e-8);
        requireClose(matrix.accuracy(), 417.0 / 450, 0.8989, 0.9474, 2e-4);
        assertThat(matrix.among(List.of("a", "b")).n()).isEqualTo(380);
        assertThat(matrix.calibration("a")).isEqualTo(new Rates.Calibration(97, 101, 342, 349));
        // Fleiss, Levin and Paik (2003), table 18.3: 75 1 4, 5 4 1, 0 0 10 of 100; kappa 0.68.
        assertThat(matrix(List.of("p", "n", "o"), new long[][] {{75, 1, 4}, {5, 4, 1}, {0, 0, 10}}).kappa().value())
            .isCloseTo(0.676, within(5e-4));
        assertThat(matrix(List.of("a", "b"), new long[][] {{5, 0}, {0, 0}}).kappa().known()).isFalse();
        assertThat(new ConfusionMatrix(List.of("a", "b")).kappa().known()).isFalse();
        assertThatThrownBy(() -> matrix.add("a", "d")).isInstanceOf(IllegalArgumentException.class).hasMessageContaining("d");
    }

    @Test
    void bootstrapOfAMeanIsThatOfNormalTheory() {
        SplittableRandom random = new SplittableRandom(1);
        double[] values = random.doubles(400).map(u -> 3 * u).toArray();
        double mean = Arrays.stream(values).average().orElseThrow();
        double error = Math.sqrt(Arrays.stream(values).map(v -> (v - mean) * (v - mean)).sum()) / 400;
        Interval interval = Bootstrap.of(7).mean(values);
        requireClose(interval, mean, mean - 1.96 * error, mean + 1.96 * error, 0.12 * error);
        assertThat(Bootstrap.of(7).mean(values)).isEqualTo(interval);
        assertThat(Bootstrap.of(8).mean(values)).isNotEqualTo(interval);
        double[] shifted = Arrays.stream(values).map(v -> v - 0.5).toArray();
        requireClose(Bootstrap.of(7).pairedDifference(values, shifted), 0.5, 0.5, 0.5, 1e-12);
        assertThat(Bootstrap.of(7).mean(new double[0]).known()).isFalse();
        assertThatThrownBy(() -> Bootstrap.of(7).pairedDifference(values, new double[1])).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void correctedRatesCoverTheTruth() {
        Rates.Calibration judge = new Rates.Calibration(95, 100, 180, 200);
        Interval corrected = Rates.roganGladen(60, 200, judge);
        assertThat(corrected.value()).isCloseTo(0.23529411764705874, within(1e-12));
        Interval certain = Rates.roganGladen(60, 200, new Rates.Calibration(95_000_000, 100_000_000, 180_000_000, 200_000_000));
        assertThat(corrected.high() - corrected.low()).isGreaterThan(1.1 * (certain.high() - certain.low()));
        assertThat(Rates.roganGladen(60, 200, new Rates.Calibration(50, 100, 50, 100)).known()).isFalse();
        assertThat(Rates.roganGladen(1, 2, new Rates.Calibration(0, 0, 5, 5)).known()).isFalse();
        SplittableRandom random = new SplittableRandom(3);
        for (double rate : new double[] {0.1, 0.5, 0.8}) {
            int covered = 0;
            for (int i = 0; i < 1000; i++) {
                Rates.Calibration drawn = new Rates.Calibration(binomial(random, 80, 0.9), 80, binomial(random, 60, 0.85), 60);
                Interval interval = Rates.roganGladen(binomial(random, 150, rate * 0.9 + (1 - rate) * 0.15), 150, drawn);
                covered += interval.low() <= rate && rate <= interval.high() ? 1 : 0;
            }
            // Four standard errors of 0.95 over 1000 draws are 0.028.
            assertThat(covered / 1000.0).as("rate " + rate).isBetween(0.922, 0.98);
        }
    }

    private static long binomial(SplittableRandom random, int n, double p) {
        return random.doubles(n).filter(u -> u < p).count();
    }
}
