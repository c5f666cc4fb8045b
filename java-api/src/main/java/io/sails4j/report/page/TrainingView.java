package io.sails4j.report.page;

import io.sails4j.report.PartOrigin;
import io.sails4j.report.TrainingPart;
import io.sails4j.report.TrainingPart.Evaluation;
import io.sails4j.report.TrainingPart.Step;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;

/**
 * A training run.
 *
 * @param steps those that the table shows
 */
public record TrainingView(PartOrigin origin, TrainingPart part, List<LineChart> charts, List<Step> steps) implements SectionBody {
    private static final int MOST = 100;

    static TrainingView of(TrainingPart part, String id) {
        List<Step> history = part.history();
        int stride = Math.max(1, (history.size() + MOST - 1) / MOST);
        List<Step> steps = IntStream.range(0, history.size()).filter(i -> i % stride == 0 || i == history.size() - 1)
            .mapToObj(history::get).toList();
        return new TrainingView(part.origin(), part, charts(part, id), steps);
    }

    private static List<LineChart> charts(TrainingPart part, String id) {
        List<LineChart.Series> series = new ArrayList<>();
        if (!part.history().isEmpty()) {
            series.add(new LineChart.Series("training", part.history().stream().map(step -> (double) step.step()).toList(),
                part.history().stream().map(Step::loss).toList(), false));
        }
        if (!part.evaluations().isEmpty()) {
            series.add(new LineChart.Series("evaluation pairs", part.evaluations().stream().map(e -> (double) e.step()).toList(),
                part.evaluations().stream().map(Evaluation::loss).toList(), true));
        }
        return series.isEmpty() ? List.of()
            : List.of(LineChart.of(id + "-loss", "Loss by step", "The loss of each step, and that of the evaluation pairs.", "step", "loss",
                series));
    }
}
