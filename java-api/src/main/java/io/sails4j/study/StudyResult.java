package io.sails4j.study;

import io.sails4j.stats.Interval;
import io.sails4j.train.Objective;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What a study came to.
 *
 * @param rows the model as it is first, then each arm, objective and number of pairs
 * @param comparisons exploratory differences to the baseline that are told; each interval is of a level at which all of them hold
 *     together with 95 %
 * @param primary the comparisons that were named beforehand; their intervals hold together with 95 %
 * @param out directory
 */
public record StudyResult(List<Row> rows, int comparisons, List<Primary> primary, Path out) {
    public StudyResult {
        rows = List.copyOf(rows);
        primary = List.copyOf(primary);
    }

    /**
     * A difference that the study is made for.
     *
     * @param measure {@code SET.MEASURE}
     * @param difference mean over seeds of the arm's share less the other's, with its interval
     * @param seeds with which both were measured
     * @param sd of the difference over seeds
     */
    public record Primary(String arm, String against, String measure, Interval difference, int seeds, double sd) {
    }

    /**
     * One line of the table.
     *
     * @param objective null where nothing was trained
     * @param lrAtEnd whether the learning rate is the smallest or the largest that was tried
     * @param cells measures by set of prompts
     * @param cost null where nothing was trained
     */
    public record Row(String arm, @Nullable Objective objective, int pairs, double lr, boolean lrAtEnd, List<Cell> cells,
        @Nullable Cost cost) {
        public Row {
            cells = List.copyOf(cells);
        }
    }

    /**
     * One share.
     *
     * @param name {@code SET.MEASURE}
     * @param share the mean over seeds with its 95 % interval by Student's t; without an interval (NaN) where there is one run, NaN
     *     altogether where there is none
     * @param difference to the baseline with the same objective, pairs and seed, of the level that all comparisons share; null for the
     *     baseline itself, and where there are fewer than two
     */
    public record Cell(String name, Interval share, @Nullable Interval difference) {
    }

    /**
     * Means over seeds.
     *
     * @param seconds of training, of the process that ended each run
     * @param optimizerBytes what AdamW keeps
     */
    public record Cost(double seconds, long trainableParameters, long optimizerBytes) {
    }
}
