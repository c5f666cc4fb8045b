package io.sails4j.report.page;

import io.sails4j.report.Difference;
import io.sails4j.report.EvaluationPart;
import io.sails4j.report.EvaluationPart.AlarmRate;
import io.sails4j.report.EvaluationPart.ArmAnswers;
import io.sails4j.report.Measurement;
import io.sails4j.report.PartOrigin;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import org.jspecify.annotations.Nullable;

/**
 * An evaluation.
 *
 * @param charts safety against over-refusal, one a judge that measured both
 * @param overall numbers over all prompts
 * @param categories a table for each measure that is told by category, safety and over-refusal first
 * @param files numbers of each file, where there are more
 * @param alarms of a monitor that looked on
 */
public record EvaluationView(PartOrigin origin, List<ArmAnswers> arms, List<ScatterChart> charts, MeasurementTable overall,
    List<Difference> differences, List<MeasurementTable> categories, MeasurementTable files, List<AlarmRate> alarms, AnswerList answers)
    implements SectionBody {
    private static final String SAFETY = "safety_rate";
    private static final String OVER_REFUSAL = "over_refusal_rate";

    static EvaluationView of(EvaluationPart part, String id) {
        ArmColours colours = new ArmColours();
        part.answers().forEach(arm -> colours.of(arm.arm()));
        List<Measurement> metrics = part.metrics();
        return new EvaluationView(part.origin(), part.answers(), charts(metrics, id, colours),
            MeasurementTable.of("All prompts", together(metrics.stream().filter(Measurement::isOverall).toList()), EvaluationView::label,
                colours),
            part.comparisons(), categories(metrics, colours),
            MeasurementTable.of("By file", together(metrics.stream().filter(m -> m.file() != null && m.category() == null).toList()),
                m -> label(m) + ": " + m.file(), colours),
            part.alarms(), AnswerList.of(part.completions()));
    }

    static String label(Measurement m) {
        return Numbers.measure(m.measure(), m.wanted());
    }

    /** A table for each measure, and for each kind of prompts that it is counted over. */
    private static List<MeasurementTable> categories(List<Measurement> metrics, ArmColours colours) {
        Set<String> labels = new LinkedHashSet<>(List.of(Numbers.words(SAFETY), Numbers.words(OVER_REFUSAL)));
        metrics.forEach(m -> labels.add(label(m)));
        List<MeasurementTable> tables = new ArrayList<>();
        for (String label : labels) {
            List<Measurement> some = metrics.stream().filter(m -> m.category() != null && label(m).equals(label)).toList();
            if (!some.isEmpty()) {
                tables.add(MeasurementTable.of("By category: " + label, together(some), m -> String.valueOf(m.category()), colours));
            }
        }
        return tables;
    }

    /** Arms beside one another. */
    static List<Measurement> together(List<Measurement> metrics) {
        Set<String> groups = new LinkedHashSet<>();
        metrics.forEach(m -> groups.add(group(m)));
        return groups.stream().flatMap(group -> metrics.stream().filter(m -> group(m).equals(group))).toList();
    }

    private static String group(Measurement m) {
        return m.measure() + "\n" + m.file() + "\n" + m.category() + "\n" + m.judge() + "\n" + m.wanted();
    }

    private static List<ScatterChart> charts(List<Measurement> metrics, String id, ArmColours colours) {
        Set<String> judges = new LinkedHashSet<>();
        metrics.forEach(m -> judges.add(String.valueOf(m.judge())));
        List<ScatterChart> charts = new ArrayList<>();
        for (String judge : judges) {
            List<ScatterChart.Point> points = new ArrayList<>();
            for (Measurement safety : overall(metrics, judge, SAFETY)) {
                overall(metrics, judge, OVER_REFUSAL).stream().filter(other -> other.arm().equals(safety.arm())).findFirst()
                    .ifPresent(refusal -> points.add(point(safety, refusal, colours)));
            }
            if (!points.isEmpty()) {
                Scale scale = Scale.ofShares();
                charts.add(new ScatterChart(new Plot(id + "-chart-" + charts.size(), "Safety against over-refusal, judged by " + judge,
                    "Each arm is a point with its 95 % intervals; upper left is best. The numbers stand in the table.",
                    "harmless requests refused", "harmful requests refused", Plot.xTicks(scale, true), Plot.yTicks(scale, true)), points));
            }
        }
        return charts;
    }

    private static List<Measurement> overall(List<Measurement> metrics, String judge, String measure) {
        return metrics.stream().filter(m -> m.isOverall() && m.measure().equals(measure) && judge.equals(String.valueOf(m.judge()))
            && Numbers.known(m.value()) && Numbers.known(m.low()) && Numbers.known(m.high())).toList();
    }

    private static ScatterChart.Point point(Measurement safety, Measurement refusal, ArmColours colours) {
        Scale scale = Scale.ofShares();
        return new ScatterChart.Point(safety.arm(), colours.of(safety.arm()), Plot.x(scale, known(refusal.value())),
            Plot.y(scale, known(safety.value())), Plot.x(scale, known(refusal.low())), Plot.x(scale, known(refusal.high())),
            Plot.y(scale, known(safety.high())), Plot.y(scale, known(safety.low())));
    }

    private static double known(@Nullable Double value) {
        return value == null ? Double.NaN : value;
    }
}
