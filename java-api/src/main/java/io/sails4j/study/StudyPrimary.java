package io.sails4j.study;

import io.sails4j.InputException;
import io.sails4j.stats.StudentT;
import java.util.List;
import java.util.stream.Stream;

/**
 * The comparisons that a study is made for, named before any result is there: one arm against some others in some measures. Their intervals
 * hold together with 95 %; all other differences are exploratory.
 *
 * @param arm whose differences are taken
 * @param against arms that it is held against
 * @param measures as the table names them, {@code SET.MEASURE}
 * @param halfWidth of each interval that is promised, as a share
 * @param sd of a difference between two arms with the same seed that is expected, from earlier runs, as a share
 */
public record StudyPrimary(String arm, List<String> against, List<String> measures, double halfWidth, double sd) {
    private static final double LEVEL = 0.95;
    private static final int MOST_SEEDS = 10_000;

    public StudyPrimary {
        against = List.copyOf(against);
        measures = List.copyOf(measures);
        if (against.isEmpty() || measures.isEmpty() || against.contains(arm)) {
            throw new InputException("primary compares '" + arm + "' with " + against + " in " + measures
                + ", expected other arms and at least one measure");
        }
        if (!(halfWidth > 0 && halfWidth < 1) || !(sd > 0 && sd < 1)) {
            throw new InputException("primary has half_width " + halfWidth + " and sd " + sd + ", expected shares between 0 and 1");
        }
    }

    /** How many differences there are. */
    public int comparisons() {
        return against.size() * measures.size();
    }

    /** Of each interval, so that all hold together with 95 % (Bonferroni). */
    public double level() {
        return 1 - (1 - LEVEL) / comparisons();
    }

    List<String> names() {
        return Stream.concat(Stream.of(arm), against.stream()).toList();
    }

    /**
     * The fewest seeds with which an interval is as narrow as promised, where the standard deviation is as expected: t(n - 1) sd / sqrt(n)
     * is at most the half width.
     */
    public int seeds() {
        for (int n = 3; n < MOST_SEEDS; n++) {
            if (StudentT.halfWidth(sd, n, level()) <= halfWidth) {
                return n;
            }
        }
        throw new InputException("primary promises half_width " + halfWidth + " with sd " + sd + ", which needs more than " + MOST_SEEDS
            + " seeds: promise less");
    }
}
