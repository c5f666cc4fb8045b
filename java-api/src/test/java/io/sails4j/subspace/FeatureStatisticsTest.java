package io.sails4j.subspace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.InputException;
import io.sails4j.ops.Engine;
import io.sails4j.sae.SparseCodes;
import io.sails4j.tensor.Tensor;
import io.sails4j.tensor.TensorArena;
import io.sails4j.testing.Backends;
import org.junit.jupiter.api.Test;

class FeatureStatisticsTest {
    /** Two sequences of three tokens; the last token of the second does not count and holds nonsense. */
    private static FeatureScores scores(Pooling pool, Engine engine) {
        boolean[] counted = {true, true, true, true, true, false};
        try (TensorArena memory = new TensorArena(engine.device()); FeatureStatistics statistics = new FeatureStatistics(engine, 4, pool)) {
            int[] indices = {1, 3, 1, 0, 1, 0, 2, 0, 2, 3, 2, 3};
            float[] values = {6, 9, 3, 0, 0.5f, 0, 8, 0, 2, 1, 1000, 1000};
            Tensor x = memory.of(new float[6], 6, 1);
            SparseCodes codes = new SparseCodes(memory.of(indices, 6, 2), memory.of(values, 6, 2),
                memory.of(new int[] {2, 1, 1, 1, 2, 2}, 6), x,
                null, null);
            statistics.add(codes, new int[] {0, 1}, counted, memory);
            // A second, shorter aligned sequence: means by token and by sequence then differ.
            SparseCodes one = new SparseCodes(memory.of(new int[] {3}, 1, 1), memory.of(new float[] {4}, 1, 1), memory.of(new int[] {1}, 1),
                x, null, null);
            statistics.add(one, new int[] {0}, new boolean[] {true}, memory);
            return statistics.scores();
        }
    }

    @Test
    void poolsAsDefined() {
        try (Engine engine = Backends.open("cpu", 1)) {
            FeatureScores token = scores(Pooling.TOKEN, engine);
            assertThat(token.meanAligned()).containsExactly(new double[] {0, 9.5 / 4, 0, 13.0 / 4}, within(1e-12));
            assertThat(token.meanUnaligned()).containsExactly(new double[] {0, 0, 5, 0.5}, within(1e-12));
            assertThat(token.top(4)).as("feature 0 never differs").containsExactly(2, 3, 1);
            assertThat(token.top(1)).containsExactly(2);
            // The weight 1/3 is a float.
            assertThat(scores(Pooling.SEQUENCE, engine).meanAligned()).containsExactly(new double[] {0, 9.5 / 6, 0, (3 + 4) / 2.0},
                within(1e-6));
            FeatureScores last = scores(Pooling.LAST, engine);
            assertThat(last.meanAligned()).containsExactly(0, 0.25, 0, 2);
            assertThat(last.meanUnaligned()).containsExactly(0, 0, 2, 1);
        }
    }

    @Test
    void equalScoresByRisingId() {
        assertThat(new FeatureScores(new double[] {1, 2, 0, 2}, new double[] {0, 0, 2, 0}).top(3)).containsExactly(1, 2, 3);
    }

    @Test
    void aSideWithoutTokensIsAnError() {
        try (Engine engine = Backends.open("cpu", 1); FeatureStatistics statistics = new FeatureStatistics(engine, 4, Pooling.TOKEN)) {
            assertThatThrownBy(statistics::scores).isInstanceOf(InputException.class)
                .hasMessageContaining("aligned answers have no counted token");
        }
    }
}
