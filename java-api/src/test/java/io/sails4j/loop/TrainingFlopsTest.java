package io.sails4j.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.config.ModelConfig;
import io.sails4j.ops.Engine;
import io.sails4j.ops.MatmulPeak;
import io.sails4j.tensor.DType;
import io.sails4j.testing.Backends;
import io.sails4j.testing.TinyModel;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** The closed formulas against a count of every product of a sequence, token by token and key by key. */
class TrainingFlopsTest {
    private static final ModelConfig CONFIG = TinyModel.CONFIG;

    /** The maps of a block by their shapes: query, key, value, output, gate, up, down. */
    private static long blockOfToken() {
        long q = (long) CONFIG.nHeads() * CONFIG.headDim();
        long kv = (long) CONFIG.nKvHeads() * CONFIG.headDim();
        long[][] shapes = {{CONFIG.dModel(), q}, {CONFIG.dModel(), kv}, {CONFIG.dModel(), kv}, {q, CONFIG.dModel()},
            {CONFIG.dModel(), CONFIG.dFf()}, {CONFIG.dModel(), CONFIG.dFf()}, {CONFIG.dFf(), CONFIG.dModel()}};
        long flops = 0;
        for (long[] shape : shapes) {
            flops += 2 * shape[0] * shape[1];
        }
        return flops;
    }

    /** A score and a weighted value, a multiplication and an addition for each element of each head, for each visible key. */
    private static long attentionOfSequence(long length) {
        long flops = 0;
        for (int layer = 0; layer < CONFIG.nLayers(); layer++) {
            for (long query = 0; query < length; query++) {
                for (long key = 0; key <= query; key++) {
                    if (!CONFIG.isSliding(layer) || query - key < CONFIG.slidingWindow()) {
                        flops += 2 * 2L * CONFIG.nHeads() * CONFIG.headDim();
                    }
                }
            }
        }
        return flops;
    }

    @ParameterizedTest
    @ValueSource(longs = {1, 2, 5, 6, 7, 29, 128})
    void formulasAgreeWithTheCount(long length) {
        double linear = (double) CONFIG.nLayers() * blockOfToken();
        double head = 2.0 * CONFIG.dModel() * CONFIG.vocabSize();
        double attention = (double) attentionOfSequence(length) / length;
        assertThat(TrainingFlops.linear(CONFIG)).isEqualTo(linear);
        assertThat(TrainingFlops.head(CONFIG)).isEqualTo(head);
        // A few roundings of a double: the formulas average over tokens, the count adds whole numbers.
        double tolerance = 8 * Math.ulp(10 * (linear + head + attention));
        assertThat(TrainingFlops.attention(CONFIG, length)).isCloseTo(attention, within(tolerance));
        assertThat(TrainingFlops.step(CONFIG, length, false, 0)).isCloseTo(2 * linear + 3.5 * attention + 2 * head, within(tolerance));
        assertThat(TrainingFlops.step(CONFIG, length, true, 0)).isCloseTo(3 * linear + 3.5 * attention + 3 * head, within(tolerance));
        assertThat(TrainingFlops.step(CONFIG, length, false, CONFIG.nLayers()))
            .isCloseTo(3 * linear + 4.5 * attention + 2 * head, within(tolerance));
    }

    @Test
    void aSequenceWhoseHeadIsAskedLessNeedsLess() {
        for (boolean full : new boolean[] {false, true}) {
            double all = TrainingFlops.sequence(CONFIG, 29, 29, full);
            assertThat(all).isCloseTo(29 * TrainingFlops.step(CONFIG, 29, full, 0), within(8 * Math.ulp(all)));
            assertThat(all - TrainingFlops.sequence(CONFIG, 29, 9, full)).isCloseTo(
                20 * 2.0 * CONFIG.dModel() * CONFIG.vocabSize() * (full ? 3 : 2),
                within(8 * Math.ulp(all)));
        }
    }

    @Test
    void thePeakIsMeasuredByALargeProductOrGiven() {
        try (Engine engine = Backends.open("cpu")) {
            MatmulPeak peak = MatmulPeak.measure(engine, DType.F32);
            assertThat(peak.flopsPerSecond()).isBetween(1e8, 1e14);
            assertThat(peak.source()).matches("measured in this run, product of (\\d+) x \\1 x \\1 in F32");
            assertThat(engine.device().allocatedBytes()).as("its memory is given back").isLessThan(4L << 20);
        }
        assertThat(MatmulPeak.given(2e12)).isEqualTo(new MatmulPeak(2e12, "given"));
    }

    @Test
    void utilisationIsTheShareOfThePeak() {
        assertThat(TrainingFlops.utilisation(2e9, 1000, 8e12)).isEqualTo(0.25);
    }
}
