package io.sails4j.saetrain;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class RowOrderTest {
    @Test
    void visitsEachRowOnce() {
        for (long n : new long[] {1, 2, 3, 17, 64, 1000}) {
            RowOrder order = RowOrder.of(n, 3, 1);
            assertThat(LongStream.range(0, n).map(order::at).distinct().filter(row -> row >= 0 && row < n).count()).isEqualTo(n);
        }
    }

    @Test
    void differsByEpochAndSeed() {
        long[] first = LongStream.range(0, 100).map(RowOrder.of(100, 0, 0)::at).toArray();
        assertThat(first).isNotEqualTo(LongStream.range(0, 100).map(RowOrder.of(100, 0, 1)::at).toArray());
        assertThat(first).isNotEqualTo(LongStream.range(0, 100).map(RowOrder.of(100, 1, 0)::at).toArray());
    }
}
