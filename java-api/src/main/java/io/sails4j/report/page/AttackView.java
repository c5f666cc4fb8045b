package io.sails4j.report.page;

import io.sails4j.report.AttackPart;
import io.sails4j.report.Difference;
import io.sails4j.report.Measurement;
import io.sails4j.report.PartOrigin;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * An attack.
 *
 * @param curves the mean of the best losses of all prompts by step, a line an arm; none where nothing is searched
 * @param details numbers by file and category
 */
public record AttackView(PartOrigin origin, String attack, MeasurementTable overall, MeasurementTable details, List<Difference> differences,
    List<LineChart> charts, List<AttackPart.Curve> curves, List<Transfer> transfers, List<AttackPart.Direction> directions,
    AnswerList answers) implements SectionBody {
    /** A suffix on an arm. */
    public record Transfer(AttackPart.Transfer of, int colour, Bar bar) {
    }

    static AttackView of(AttackPart part, String id) {
        ArmColours colours = new ArmColours();
        part.arms().forEach(colours::of);
        return new AttackView(part.origin(), part.attack(),
            MeasurementTable.of("Under the attack, all prompts",
                EvaluationView.together(part.metrics().stream().filter(Measurement::isOverall).toList()),
                EvaluationView::label, colours),
            MeasurementTable.of("By file and category",
                EvaluationView.together(part.metrics().stream().filter(m -> !m.isOverall()).toList()),
                m -> EvaluationView.label(m) + ": " + m.file() + (m.category() == null ? "" : ", " + m.category()), colours),
            part.comparisons(), charts(part, id), part.curves(),
            part.transfers().stream()
                .map(t -> new Transfer(t, colours.of(t.arm()), t.isRate() ? Bar.of(Scale.ofShares(), t.low(), t.value(), t.high())
                    : Bar.of(Scale.ofShares(), null, null, null)))
                .toList(),
            part.directions(), AnswerList.of(part.completions()));
    }

    private static List<LineChart> charts(AttackPart part, String id) {
        Map<String, List<AttackPart.Curve>> byArm = part.curves().stream().filter(curve -> !curve.losses().isEmpty())
            .collect(Collectors.groupingBy(AttackPart.Curve::arm, LinkedHashMap::new, Collectors.toList()));
        if (byArm.isEmpty()) {
            return List.of();
        }
        List<LineChart.Series> series = new ArrayList<>();
        byArm.forEach((arm, curves) -> series.add(mean(arm, curves)));
        return List.of(LineChart.of(id + "-search", "Best loss of the search",
            "The mean over searches of the best loss so far, by step; lower means that the attack is nearer to its target.", "step",
            "loss of the target", series));
    }

    /** Of those that are as long: a search that ended keeps its last loss. */
    private static LineChart.Series mean(String arm, List<AttackPart.Curve> curves) {
        int steps = curves.stream().mapToInt(curve -> curve.losses().size()).max().orElse(0);
        List<Double> xs = IntStream.range(0, steps).mapToObj(step -> (double) step).toList();
        List<Double> ys = IntStream.range(0, steps).mapToObj(step -> curves.stream()
            .mapToDouble(curve -> curve.losses().get(Math.min(step, curve.losses().size() - 1))).average().orElse(Double.NaN)).toList();
        return new LineChart.Series(arm, xs, ys, false);
    }
}
