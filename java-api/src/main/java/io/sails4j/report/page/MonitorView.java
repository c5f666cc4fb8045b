package io.sails4j.report.page;

import io.sails4j.report.MonitorPart;
import io.sails4j.report.PartOrigin;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;

/**
 * A monitor.
 *
 * @param rules with their heaviest features
 * @param charts the ROC curves, where there are any
 */
public record MonitorView(PartOrigin origin, List<Row> rules, List<MonitorPart.Quality> calibration, List<LineChart> charts)
    implements SectionBody {
    private static final int HEAVIEST = 5;

    /** A rule and the features that weigh most in it. */
    public record Row(MonitorPart.Rule rule, List<MonitorPart.Term> heaviest) {
    }

    static MonitorView of(MonitorPart part, String id) {
        List<LineChart.Series> series = new ArrayList<>();
        part.calibration().stream().filter(quality -> !quality.roc().isEmpty()).forEach(quality -> series.add(new LineChart.Series(
            quality.rule(), quality.roc().stream().map(List::getFirst).toList(), quality.roc().stream().map(List::getLast).toList(),
            false)));
        List<LineChart> charts = new ArrayList<>();
        if (!series.isEmpty()) {
            series.add(new LineChart.Series("by chance", List.of(0.0, 1.0), List.of(0.0, 1.0), false));
            charts.add(LineChart.of(id + "-roc", "Detections by false alarms",
                "How many alarming texts a threshold finds, by how many quiet"
                    + " ones it takes for alarming, on the texts that chose nothing; by chance they are as many.",
                "false alarms", "detections",
                series));
        }
        return new MonitorView(part.origin(), part.rules().stream().map(rule -> new Row(rule, rule.features().stream()
            .sorted(Comparator.comparingDouble(term -> -Math.abs(term.weight()))).limit(HEAVIEST).toList())).toList(), part.calibration(),
            charts);
    }
}
