package io.sails4j.stats;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.util.Arrays;
import java.util.SplittableRandom;
import org.junit.jupiter.api.Test;

class RankShiftTest {
    /** Hand-made: of 25 differences the third and the last but two, since P(U <= 2) is 4 / 252 and P(U <= 3) is 7 / 252. */
    @Test
    void fiveBesideFive() {
        RankShift shift = RankShift.of(new double[] {10, 21, 30, 42, 50}, new double[] {0, 0.1, 0.2, 0.3, 0.4});
        assertThat(shift.confidence()).isCloseTo(1 - 2 * 4 / 252.0, within(1e-12));
        assertThat(shift.shift().value()).isEqualTo(29.8);
        assertThat(shift.shift().low()).isEqualTo(9.8);
        assertThat(shift.shift().high()).isEqualTo(49.8);
    }

    /** Three beside three have 20 orders: the widest interval leaves out two of them. */
    @Test
    void fewValuesSaySo() {
        assertThat(RankShift.of(new double[] {1, 2, 3}, new double[] {4, 5, 6}).confidence()).isCloseTo(0.9, within(1e-12));
        assertThat(RankShift.of(new double[] {2}, new double[] {1})).isEqualTo(new RankShift(new Interval(1, 1, 1), 0));
        assertThatThrownBy(() -> RankShift.of(new double[0], new double[] {1})).isInstanceOf(IllegalArgumentException.class);
    }

    /** Of a thousand pairs of samples without a shift about fifty intervals leave out 0; with one of three deviations nearly all do. */
    @Test
    void coversAsOftenAsItSays() {
        SplittableRandom random = new SplittableRandom(5);
        int covered = 0;
        int found = 0;
        for (int i = 0; i < 1000; i++) {
            double[] first = random.doubles(9).map(x -> x * x).toArray();
            double[] second = random.doubles(7).map(x -> x * x).toArray();
            Interval none = RankShift.of(first, second).shift();
            covered += none.low() <= 0 && none.high() >= 0 ? 1 : 0;
            Interval much = RankShift.of(Arrays.stream(first).map(x -> x + 0.9).toArray(), second).shift();
            found += much.low() > 0 ? 1 : 0;
        }
        assertThat(covered).isBetween(935, 985);
        assertThat(found).isGreaterThan(900);
    }

    /** Past forty values the normal distribution takes over, a rank or two apart from the exact one. */
    @Test
    void manyValues() {
        double[] first = new SplittableRandom(1).doubles(40).toArray();
        double[] second = new SplittableRandom(2).doubles(40).toArray();
        Interval exact = RankShift.of(first, second).shift();
        Interval normal = RankShift.of(Arrays.copyOf(first, 41), second).shift();
        assertThat(normal.low()).isCloseTo(exact.low(), within(0.05));
        assertThat(normal.high()).isCloseTo(exact.high(), within(0.05));
    }
}
