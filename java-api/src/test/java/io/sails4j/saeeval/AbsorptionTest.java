package io.sails4j.saeeval;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.InputException;
import java.util.Random;
import org.junit.jupiter.api.Test;

/**
 * Vectors of a label have 1 along the first axis, the others 0; noise on other axes. The decoder has the first axis (feature 0), and two
 * features between the first axis and another one each (1 and 2), which a special vector has as well.
 */
class AbsorptionTest {
    private static final int D = 8;
    private static final int VECTORS = 1000;
    private static final float[] DECODER = decoder();
    private static final double HALF = Math.sqrt(0.5);

    private static float[] decoder() {
        float[] rows = new float[4 * D];
        rows[0] = 1;
        rows[D] = (float) Math.sqrt(0.5);
        rows[D + 1] = (float) Math.sqrt(0.5);
        rows[2 * D] = (float) Math.sqrt(0.5);
        rows[2 * D + 2] = (float) Math.sqrt(0.5);
        rows[3 * D + 3] = 1;
        return rows;
    }

    /** What the features of a special vector are. */
    private interface Code {
        void put(AbsorptionPass pass, int vector);
    }

    /** Every other vector is of label 1, every 25th of these is special: it has the second axis as well, as some of the others have. */
    private static Absorption measured(Code special) {
        float[] x = new float[VECTORS * D];
        int[] labels = new int[VECTORS];
        Random random = new Random(3);
        for (int t = 0; t < VECTORS; t++) {
            labels[t] = t % 2;
            x[t * D] = t % 2;
            x[t * D + 1] = block(t) ? 1 : 0;
            for (int j = 3; j < D; j++) {
                x[t * D + j] = (float) (0.1 * random.nextGaussian());
            }
        }
        AbsorptionPass pass = new AbsorptionPass(x, D, labels, DECODER);
        for (int t = 0; t < VECTORS; t++) {
            if (special(t)) {
                special.put(pass, t);
            } else if (labels[t] == 1) {
                pass.see(t, 0, 1);
            } else {
                pass.see(t, 3, 1);
            }
        }
        return pass.run();
    }

    /** 4 of the 100 unseen vectors of the label. */
    private static boolean special(int t) {
        return t % 2 == 1 && block(t);
    }

    private static boolean block(int t) {
        return t / 10 % 25 == 7;
    }

    private static AbsorptionMeasure ofLabel(Absorption absorption) {
        return absorption.labels().stream().filter(of -> of.label() == 1).findFirst().orElseThrow();
    }

    @Test
    void nothingIsAbsorbedWhereTheMainFeatureAlwaysFires() {
        AbsorptionMeasure of = ofLabel(measured((pass, t) -> pass.see(t, 0, 1)));
        assertThat(of.mainFeatures()).containsExactly(0);
        assertThat(of.probeF1()).isEqualTo(1);
        assertThat(of.examples()).isEqualTo(100);
        assertThat(of.meanFraction()).isZero();
        assertThat(of.fullRate()).isZero();
    }

    @Test
    void aFeatureThatStandsForTheSilentMainOneIsFullAbsorption() {
        Absorption absorption = measured((pass, t) -> pass.see(t, 1, (float) (1 / HALF)));
        AbsorptionMeasure of = ofLabel(absorption);
        assertThat(of.mainFeatures()).containsExactly(0);
        assertThat(of.mainF1()).isCloseTo(2 * 96 / (96.0 + 100), within(1e-9));
        assertThat(of.meanFraction()).isCloseTo(0.04, within(1e-9));
        assertThat(of.fullRate()).isCloseTo(0.04, within(1e-9));
        assertThat(absorption.leftOut()).isEmpty();
    }

    /** A main feature at 0.25 and 0.75 of another: three quarters of the special vectors' projection are absorbed, none fully. */
    @Test
    void aMainFeatureThatFiresWeaklyIsAbsorbedInPart() {
        AbsorptionMeasure of = ofLabel(measured((pass, t) -> {
            pass.see(t, 0, 0.25f);
            pass.see(t, 1, (float) (0.75 / HALF));
        }));
        assertThat(of.mainFeatures()).containsExactly(0);
        assertThat(of.meanFraction()).isCloseTo(0.04 * 0.75, within(1e-3));
        assertThat(of.fullRate()).isZero();
    }

    @Test
    void labelsThatCannotBeProbedAreNamed() {
        assertThatThrownBy(() -> new AbsorptionPass(new float[20 * D], D, new int[20], DECODER).run()).isInstanceOf(InputException.class)
            .hasMessageContaining("labels [0]").hasMessageContaining("10 or more training vectors");
    }
}
