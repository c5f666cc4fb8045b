package io.sails4j.loop;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.sails4j.objective.SequenceBatch;
import io.sails4j.objective.SftLoss;
import io.sails4j.testing.TinyModel;
import io.sails4j.train.LrSchedule;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class ScheduleAndPlanTest {
    @Test
    void warmUpRisesAndTheRestFollowsItsCurve() {
        assertThat(LrSchedule.COSINE.factor(0, 12, 2)).isCloseTo(1 / 3.0, within(1e-15));
        assertThat(LrSchedule.COSINE.factor(1, 12, 2)).isCloseTo(2 / 3.0, within(1e-15));
        assertThat(LrSchedule.COSINE.factor(2, 12, 2)).isEqualTo(1);
        assertThat(LrSchedule.COSINE.factor(7, 12, 2)).isCloseTo(0.5, within(1e-15));
        assertThat(LrSchedule.COSINE.factor(11, 12, 2)).isCloseTo(0.5 * (1 + Math.cos(0.9 * Math.PI)), within(1e-15));
        assertThat(LrSchedule.LINEAR.factor(3, 4, 0)).isCloseTo(0.25, within(1e-15));
        assertThat(LrSchedule.CONSTANT.factor(99, 100, 0)).isEqualTo(1);
    }

    @Test
    void clippingFollowsTheFormula() {
        assertThat(AdamwOptimizer.clipScale(4, 1)).isEqualTo(1 / (4 + 1e-6));
        assertThat(AdamwOptimizer.clipScale(0.5, 1)).isEqualTo(1);
        assertThat(AdamwOptimizer.clipScale(4, 0)).isEqualTo(1);
    }

    @Test
    void everyEpochHasEveryExampleOnceWithinTheBudgets() {
        SftLoss loss = new SftLoss(TinyModel.sequences(23, 5));
        StepPlan plan = StepPlan.of(loss, 2, 0, 40, 25, 9, false);
        int[] seen = new int[loss.size()];
        for (int step = 0; step < plan.steps().size(); step++) {
            assertThat(Arrays.stream(plan.examples(step)).map(loss::tokens).sum()).isLessThanOrEqualTo(40);
            for (int[] micro : plan.steps().get(step)) {
                int longest = Arrays.stream(micro).map(loss::length).max().orElseThrow();
                assertThat(longest * micro.length).isLessThanOrEqualTo(25);
                Arrays.stream(micro).forEach(i -> seen[i]++);
            }
        }
        assertThat(seen).containsOnly(2);
        assertThat(plan.usedExamples()).isEqualTo(IntStream.range(0, loss.size()).toArray());
    }

    @Test
    void theSeedAloneDecidesTheOrderAndMaxStepsCutsIt() {
        SftLoss loss = new SftLoss(TinyModel.sequences(23, 5));
        StepPlan plan = StepPlan.of(loss, 1, 3, 40, 25, 9, false);
        assertThat(plan.steps()).hasSize(3);
        assertThat(flat(plan)).isEqualTo(flat(StepPlan.of(loss, 1, 3, 40, 25, 9, false)))
            .isNotEqualTo(flat(StepPlan.of(loss, 1, 3, 40, 25, 10, false)));
    }

    @Test
    void anExampleLongerThanTheBudgetsStandsAlone() {
        SftLoss loss = new SftLoss(TinyModel.sequences(4, 5));
        StepPlan plan = StepPlan.of(loss, 1, 0, 1, 1, 0, false);
        assertThat(plan.steps()).hasSize(4).allSatisfy(step -> assertThat(step).hasSize(1));
    }

    @Test
    void packedRowsHoldEverySequenceOnceAndFillMore() {
        int[] lengths = {9, 3, 2, 7, 5, 4, 9, 1, 0};
        int[] rows = SequenceBatch.pack(lengths);
        int[] used = new int[lengths.length];
        for (int i = 0; i < lengths.length; i++) {
            used[rows[i]] += lengths[i];
        }
        assertThat(Arrays.stream(used).max().orElseThrow()).isEqualTo(9);
        assertThat(Arrays.stream(rows).max().orElseThrow() + 1).as("rows of 9 for 40 tokens").isEqualTo(5);
        SftLoss loss = new SftLoss(TinyModel.sequences(40, 6));
        long packed = StepPlan.of(loss, 1, 0, 1000, 60, 1, true).steps().stream().mapToLong(List::size).sum();
        long padded = StepPlan.of(loss, 1, 0, 1000, 60, 1, false).steps().stream().mapToLong(List::size).sum();
        assertThat(packed).isLessThanOrEqualTo(padded);
    }

    private static List<Integer> flat(StepPlan plan) {
        return plan.steps().stream().flatMap(List::stream).flatMapToInt(Arrays::stream).boxed().toList();
    }
}
