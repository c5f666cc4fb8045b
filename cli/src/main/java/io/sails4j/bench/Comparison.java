package io.sails4j.bench;

import io.sails4j.stats.Interval;
import io.sails4j.stats.RankShift;
import java.util.List;
import java.util.SequencedMap;
import java.util.stream.DoubleStream;

/**
 * Two runs row by row: the ratio of their times, with an interval from the rounds of both, or from their repetitions where either has
 * fewer than three rounds.
 *
 * @param rows that both have, in the order of this run
 * @param rounds whether the rounds are compared: only then an interval has what the machine does in between
 * @param onlyHere names of rows that the other run lacks
 * @param onlyThere names of rows that this run lacks
 */
public record Comparison(List<Row> rows, boolean rounds, List<String> onlyHere, List<String> onlyThere) {
    /** An interval of less says too little to call a row faster or slower. */
    private static final double SURE_ENOUGH = 0.9;
    private static final int FEWEST_ROUNDS = 3;

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
     * @param confidence of the ratio's interval, 0 where both have one repetition alone
     */
    public record Row(String name, double here, double there, Interval ratio, double confidence) {
        /** Whether the interval leaves out 1, and says enough to be believed. */
        public boolean differs() {
            return confidence >= SURE_ENOUGH && (ratio.high() < 1 || ratio.low() > 1);
        }
    }

    /** Rows of two runs by their names. */
    public static Comparison of(SequencedMap<String, List<Times>> here, SequencedMap<String, List<Times>> there) {
        List<String> both = here.keySet().stream().filter(there::containsKey).toList();
        boolean rounds = both.stream().allMatch(name -> Math.min(of(here, name).size(), of(there, name).size()) >= FEWEST_ROUNDS);
        List<Row> rows = both.stream().map(name -> row(name, of(here, name), of(there, name), rounds)).toList();
        return new Comparison(rows, rounds, here.keySet().stream().filter(name -> !there.containsKey(name)).toList(),
            there.keySet().stream().filter(name -> !here.containsKey(name)).toList());
    }

    /** A difference of logarithms is a ratio. */
    private static Row row(String name, List<Times> here, List<Times> there, boolean rounds) {
        RankShift logs = RankShift.of(logs(here, rounds), logs(there, rounds));
        Interval shift = logs.shift();
        Interval ratio = new Interval(Math.exp(shift.value()), Math.exp(shift.low()), Math.exp(shift.high()));
        return new Row(name, middle(here), middle(there), ratio, logs.confidence());
    }

    private static double[] logs(List<Times> times, boolean rounds) {
        DoubleStream seconds = rounds ? times.stream().mapToDouble(Times::seconds)
            : times.stream().flatMap(round -> round.samples().stream()).mapToDouble(sample -> sample);
        return seconds.map(Math::log).toArray();
    }

    private static double middle(List<Times> rounds) {
        return Times.median(rounds.stream().mapToDouble(Times::seconds).toArray()).seconds();
    }

    private static List<Times> of(SequencedMap<String, List<Times>> rows, String name) {
        return rows.getOrDefault(name, List.of());
    }

    /** The geometric mean of the rows' ratios: what is the same in all of them is the machine rather than the code. */
    public double meanRatio() {
        return Math.exp(rows.stream().mapToDouble(row -> Math.log(row.ratio.value())).average().orElse(0));
    }
}
