package io.sails4j.report.page;

import io.sails4j.report.Measurement;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;

/**
 * Measurements below one another, each with its bar.
 *
 * @param judged whether more than one judge speaks
 * @param corrected whether a number is corrected
 */
public record MeasurementTable(String caption, List<Row> rows, boolean judged, boolean corrected) {
    private static final Set<String> MAIN = Set.of("safety_rate", "over_refusal_rate");

    /** A measurement: what it is of, the number of its arm's colour, its bar. */
    public record Row(String label, int colour, Measurement measurement, Bar bar) {
    }

    public MeasurementTable {
        rows = List.copyOf(rows);
    }

    /** Whether it is of what a reader looks for first. */
    public boolean main() {
        return rows.stream().map(row -> row.measurement().measure()).allMatch(MAIN::contains);
    }

    /** How rows are called. */
    interface Labels {
        String of(Measurement measurement);
    }

    /** Shares are drawn from 0 to 1, other numbers beside those of the same measure. */
    static MeasurementTable of(String caption, List<Measurement> measurements, Labels labels, ArmColours colours) {
        List<Row> rows = new ArrayList<>();
        for (Measurement m : measurements) {
            Scale scale = m.isRate() ? Scale.ofShares() : Scale.fromZero(measurements.stream()
                .filter(other -> other.measure().equals(m.measure())).flatMap(other -> Stream.of(other.value(), other.low(), other.high()))
                .filter(Numbers::known).toList());
            rows.add(new Row(labels.of(m), colours.of(m.arm()), m, Bar.of(scale, m.low(), m.value(), m.high())));
        }
        return new MeasurementTable(caption, rows, measurements.stream().map(Measurement::judge).distinct().count() > 1,
            measurements.stream().anyMatch(m -> m.corrected() != null));
    }
}
