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
 * @param comparisons differences to the baseline that are told; each interval is of a level at which all of them hold together with 95 %
 * @param out directory
 */
public record StudyResult(List<Row> rows, int comparisons, Path out) {
    public StudyResult {
        rows = List.copyOf(rows);
    }

    /**
     * One line of the table.
     *
     * @param objective null where nothing was trained
     * @param cells measures by set of prompts
     * @param cost null where nothing was trained
     */
    public record Row(String arm, @Nullable Objective objective, int pairs, double lr, List<Cell> cells, @Nullable Cost cost) {
        public Row {
            cells = List.copyOf(cells);
        }
    }

    /**
     * One share.
     *
     * @param name {@code SET.MEASURE}
     * @param share the mean over seeds with its 95 % interval by Student's t; without an interval (NaN) where there is one run
     * @param difference to the baseline with the same objective, pairs and seed, of the level that all comparisons share; null for the
     *     baseline itself
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
