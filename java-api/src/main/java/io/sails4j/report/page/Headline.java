package io.sails4j.report.page;

import io.sails4j.report.AttackPart;
import io.sails4j.report.EvaluationPart;
import io.sails4j.report.Measurement;
import io.sails4j.report.MonitorPart;
import io.sails4j.report.ReportPart;
import io.sails4j.report.TrainingPart;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;

/**
 * What a reader should see first.
 *
 * @param from the directory that it is from
 */
public record Headline(String title, String from, List<Figure> figures) {
    /**
     * A number of it.
     *
     * @param note what stands below: its interval, or what it is counted over
     */
    public record Figure(String name, @Nullable Double value, boolean rate, String note) {
    }

    public Headline {
        figures = List.copyOf(figures);
    }

    static List<Headline> of(List<ReportPart> parts) {
        List<Headline> headlines = new ArrayList<>();
        for (ReportPart part : parts) {
            switch (part) {
                case EvaluationPart evaluation -> {
                    add(headlines, "Harmful requests refused", part, evaluation.metrics(), "safety_rate");
                    add(headlines, "Harmless requests refused", part, evaluation.metrics(), "over_refusal_rate");
                }
                case AttackPart attack -> add(headlines, "Refused under the attack " + attack.attack(), part, attack.metrics(),
                    "safety_rate");
                case TrainingPart training -> add(headlines, training);
                case MonitorPart monitor -> add(headlines, monitor);
                default -> {
                    // Explanations are no single number.
                }
            }
        }
        return headlines;
    }

    /** By the first judge that says something of it. */
    private static void add(List<Headline> headlines, String title, ReportPart part, List<Measurement> metrics, String measure) {
        List<Measurement> overall = metrics.stream().filter(m -> m.isOverall() && m.measure().equals(measure)).toList();
        if (overall.isEmpty()) {
            return;
        }
        String judge = overall.getFirst().judge();
        headlines.add(new Headline(title, part.origin().name(), overall.stream()
            .filter(m -> Objects.equals(m.judge(), judge))
            .map(m -> new Figure(m.arm(), m.value(), m.isRate(),
                Numbers.interval(m.low(), m.high(), m.isRate()) + ", n = " + Numbers.count(m.n())))
            .toList()));
    }

    private static void add(List<Headline> headlines, MonitorPart monitor) {
        if (!monitor.calibration().isEmpty()) {
            headlines.add(new Headline("Alarming texts detected", monitor.origin().name(), monitor.calibration().stream()
                .map(q -> new Figure(q.rule() + " at " + Numbers.shown(q.falseAlarmRate().value(), true) + " false alarms",
                    q.detectionRate().value(), true,
                    Numbers.interval(q.detectionRate().low(), q.detectionRate().high(), true) + ", n = "
                        + Numbers.count(q.testedAlarming())))
                .toList()));
        }
    }

    private static void add(List<Headline> headlines, TrainingPart training) {
        String over = Numbers.count(training.evaluationPairs()) + (training.heldOut() ? " held-out pairs" : " training pairs");
        headlines.add(new Headline("Loss", training.origin().name(),
            List.of(new Figure("before", training.lossBefore(), false, over), new Figure("after", training.lossAfter(), false, over))));
        if (training.shareInside() != null) {
            headlines.add(new Headline("Update inside the subspace", training.origin().name(),
                List.of(new Figure("share", training.shareInside(), true, "of the squared norm"))));
        }
    }
}
