package io.sails4j.objective;

import static org.assertj.core.api.Assertions.assertThat;

import io.sails4j.data.TokenSequence;
import io.sails4j.model.Labels;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class LengthBatchesTest {
    private static int[] lengths(int n) {
        Random random = new Random(7);
        return IntStream.range(0, n).map(i -> 1 + random.nextInt(97)).toArray();
    }

    @ParameterizedTest
    @ValueSource(ints = {0, 1, 2, 31, 257})
    void dropsNothingAndKeepsTheBudget(int n) {
        int[] lengths = lengths(n);
        for (List<int[]> batches : List.of(LengthBatches.byLength(lengths, 128), LengthBatches.shuffled(lengths, 128, 3, 0))) {
            assertThat(batches.stream().flatMapToInt(Arrays::stream).sorted().toArray()).isEqualTo(IntStream.range(0, n).toArray());
            assertThat(batches).allSatisfy(batch -> {
                int longest = Arrays.stream(batch).map(i -> lengths[i]).max().orElseThrow();
                assertThat(batch.length == 1 || longest * batch.length <= 128).isTrue();
            });
        }
    }

    @Test
    void aSequenceBeyondTheBudgetStandsAlone() {
        assertThat(LengthBatches.byLength(new int[] {500, 3, 600}, 64)).extracting(b -> b.length).containsExactly(1, 1, 1);
    }

    @Test
    void theSeedAndTheEpochDecideTheOrder() {
        int[] lengths = lengths(100);
        assertThat(LengthBatches.shuffled(lengths, 128, 3, 1)).usingRecursiveComparison()
            .isEqualTo(LengthBatches.shuffled(lengths, 128, 3, 1));
        assertThat(LengthBatches.shuffled(lengths, 128, 3, 1)).usingRecursiveComparison()
            .isNotEqualTo(LengthBatches.shuffled(lengths, 128, 3, 2));
    }

    @Test
    void padsOnTheRightAndCountsOnlyAnswers() {
        TokenSequence a = new TokenSequence(new int[] {5, 6, 7}, new boolean[] {false, true, true});
        TokenSequence b = new TokenSequence(new int[] {8}, new boolean[] {false});
        SequenceBatch batch = SequenceBatch.of(List.of(a, b), false);
        assertThat(batch.targets()).containsExactly(6, 7, Labels.IGNORE_INDEX, Labels.IGNORE_INDEX, Labels.IGNORE_INDEX,
            Labels.IGNORE_INDEX);
        assertThat(batch.tokens().inputIds()).containsExactly(5, 6, 7, 8, 0, 0);
        assertThat(batch.tokens().segments()).containsExactly(1, 1, 1, 1, 0, 0);
    }
}
