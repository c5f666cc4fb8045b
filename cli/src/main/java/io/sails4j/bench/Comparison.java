package io.sails4j.bench;

import io.sails4j.stats.Interval;
import io.sails4j.stats.RankShift;
import java.util.ArrayList;
import java.util.List;
import java.util.SequencedMap;

/**
 * Two runs row by row: the ratio of their times, with an interval from the repetitions of both.
 *
 * @param rows that both have, in the order of this run
 * @param onlyHere names of rows that the other run lacks
 * @param onlyThere names of rows that this run lacks
 */
public record Comparison(List<Row> rows, List<String> onlyHere, List<String> onlyThere) {
    /** An interval of less says too little to call a row faster or slower. */
    private static final double SURE_ENOUGH = 0.9;

    public Comparison {
        rows = List.copyOf(rows);
        onlyHere = List.copyOf(onlyHere);
        onlyThere = List.copyOf(onlyThere);
    }

    /**
     * One row of both.
     *
     * @param here seconds of a call in this run
     * @param there in the other
     * @param ratio this run's time over the other's: below 1 this run is faster
     * @param confidence of the ratio's interval, 0 where either has one repetition alone
     */
    public record Row(String name, double here, double there, Interval ratio, double confidence) {
        /** Whether the interval leaves out 1, and says enough to be believed. */
        public boolean differs() {
            return confidence >= SURE_ENOUGH && (ratio.high() < 1 || ratio.low() > 1);
        }
    }

    /** Rows of two runs by their names. */
    public static Comparison of(SequencedMap<String, Times> here, SequencedMap<String, Times> there) {
        List<Row> rows = new ArrayList<>();
        here.forEach((name, times) -> {
            Times other = there.get(name);
            if (other != null) {
                rows.add(row(name, times, other));
            }
        });
        return new Comparison(rows, here.keySet().stream().filter(name -> !there.containsKey(name)).toList(),
            there.keySet().stream().filter(name -> !here.containsKey(name)).toList());
    }

    /** A difference of logarithms is a ratio. */
    private static Row row(String name, Times here, Times there) {
        RankShift logs = RankShift.of(logs(here), logs(there));
        Interval shift = logs.shift();
        Interval ratio = new Interval(Math.exp(shift.value()), Math.exp(shift.low()), Math.exp(shift.high()));
        return new Row(name, here.seconds(), there.seconds(), ratio, logs.confidence());
    }

    private static double[] logs(Times times) {
        return times.samples().stream().mapToDouble(Math::log).toArray();
    }

    /** The geometric mean of the rows' ratios: what is the same in all of them is the machine rather than the code. */
    public double meanRatio() {
        return Math.exp(rows.stream().mapToDouble(row -> Math.log(row.ratio.value())).average().orElse(0));
    }
}
