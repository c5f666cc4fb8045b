package io.sails4j.subspace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.InputException;
import java.util.Random;
import org.junit.jupiter.api.Test;

class PcaSubspaceTest {
    private static final double TIGHT = 1e-12;

    @Test
    void countsComponentsBySquares() {
        float[][] rows = {{3, 0, 0}, {0, 2, 0}, {0, 0, 1}};
        assertThat(PcaSubspace.of(rows, 9.0 / 14, false).components()).isEqualTo(1);
        assertThat(PcaSubspace.of(rows, 9.01 / 14, false).components()).isEqualTo(2);
        assertThat(PcaSubspace.of(rows, 1, false).components()).isEqualTo(3);
        PcaSubspace two = PcaSubspace.of(rows, 0.8, false);
        assertThat(two.share()).isCloseTo(13.0 / 14, within(TIGHT));
        assertThat(two.basis()[0][0]).isCloseTo(1, within(TIGHT));
        assertThat(two.basis()[1][1]).isCloseTo(1, within(TIGHT));
        assertThat(two.basis()[2]).containsExactly(new double[] {0, 0}, within(TIGHT));
    }

    @Test
    void centringRemovesTheSharedDirection() {
        float[][] rows = {{10, 1, 0}, {10, -1, 0}};
        PcaSubspace subspace = PcaSubspace.of(rows, 0.8, true);
        assertThat(subspace.components()).isEqualTo(1);
        assertThat(subspace.basis()[1][0]).isCloseTo(1, within(TIGHT));
        assertThat(PcaSubspace.of(rows, 0.8, false).basis()[0][0]).isCloseTo(1, within(TIGHT));
    }

    @Test
    void repeatedRowsSpanTheirRankOnly() {
        Random random = new Random(5);
        float[][] base = new float[3][17];
        float[][] rows = new float[11][];
        for (float[] row : base) {
            for (int j = 0; j < row.length; j++) {
                row[j] = (float) random.nextGaussian();
            }
        }
        for (int i = 0; i < rows.length; i++) {
            rows[i] = base[i % 3];
        }
        PcaSubspace subspace = PcaSubspace.of(rows, 1, false);
        assertThat(subspace.components()).isEqualTo(3);
        for (int a = 0; a < 3; a++) {
            for (int b = 0; b < 3; b++) {
                double dot = 0;
                for (double[] row : subspace.basis()) {
                    dot += row[a] * row[b];
                }
                assertThat(dot).isCloseTo(a == b ? 1 : 0, within(TIGHT));
            }
        }
        assertThat(PcaSubspace.of(rows, 1, false).basis()).isDeepEqualTo(subspace.basis());
    }

    @Test
    void directionsThatDoNotVary() {
        float[] row = {0.1f, 0.7f, -0.3f};
        refused(() -> PcaSubspace.of(new float[][] {row, row, row}, 0.8, true), "3 kept directions do not vary");
        refused(() -> PcaSubspace.of(new float[][] {row}, 0.8, true), "centre=false");
        refused(() -> PcaSubspace.of(new float[][] {new float[3]}, 0.8, false), "do not vary");
        refused(() -> PcaSubspace.of(new float[0][], 0.8, false), "no feature was kept");
        refused(() -> PcaSubspace.of(new float[][] {row}, 0, false), "variance to explain is 0.0");
        assertThat(PcaSubspace.of(new float[][] {row}, 0.8, false).components()).isEqualTo(1);
    }

    private static void refused(Runnable call, String part) {
        assertThatThrownBy(call::run).isInstanceOf(InputException.class).hasMessageContaining(part);
    }

    @Test
    void unitRows() {
        float[][] unit = PcaSubspace.unitRows(new float[][] {{3, 4}, {0, 0}});
        assertThat(unit[0]).containsExactly(0.6f, 0.8f);
        assertThat(unit[1]).containsExactly(0, 0);
    }

    @Test
    void principalAnglesOfPlanes() {
        double tiny = 1e-9;
        double[][] a = {{1, 0}, {0, 1}, {0, 0}, {0, 0}};
        double[][] b = {{Math.cos(tiny), 0}, {0, Math.cos(0.9)}, {Math.sin(tiny), 0}, {0, Math.sin(0.9)}};
        double[] angles = PrincipalAngles.between(a, b);
        assertThat(angles).hasSize(2);
        assertThat(angles[0]).isCloseTo(tiny, within(1e-15));
        assertThat(angles[1]).isCloseTo(0.9, within(TIGHT));
        assertThat(PrincipalAngles.between(a, new double[][] {{0}, {0}, {3}, {4}})).containsExactly(new double[] {Math.PI / 2},
            within(TIGHT));
    }
}
