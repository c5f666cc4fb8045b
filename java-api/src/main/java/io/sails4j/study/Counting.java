package io.sails4j.study;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.eval.EvalArm;
import io.sails4j.stats.Interval;
import io.sails4j.stats.StudentT;
import io.sails4j.train.Objective;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Counts what the tasks of a study came to: means over seeds, and differences to the baseline seed by seed. */
final class Counting {
    private static final double LEVEL = 0.95;

    private final Study study;
    private final StudyDirectory directory;
    private final Choices choices;
    private final List<String> measures;
    /** Read once: each measure and each difference asks again. */
    private final Map<Path, Map<String, Double>> shares = new HashMap<>();

    Counting(Study study, StudyDirectory directory, Choices choices) {
        this.study = study;
        this.directory = directory;
        this.choices = choices;
        this.measures = List.copyOf(shares(directory.task(EvalArm.BASE)).keySet());
    }

    StudyResult result() {
        List<StudyResult.Row> rows = new ArrayList<>();
        rows.add(new StudyResult.Row(EvalArm.BASE, null, 0, 0, measures.stream().map(measure -> new StudyResult.Cell(measure,
            alone(shares(directory.task(EvalArm.BASE)).getOrDefault(measure, Double.NaN)), null)).toList(), null));
        for (StudyArm arm : study.arms()) {
            for (Objective objective : study.grid().objectives()) {
                for (int pairs : study.grid().pairs()) {
                    rows.add(row(arm, objective, pairs));
                }
            }
        }
        return new StudyResult(rows, comparisons(), directory.root());
    }

    private Map<String, Double> shares(Path task) {
        return shares.computeIfAbsent(task, TaskResult::shares);
    }

    private static Interval alone(double value) {
        return new Interval(value, Double.NaN, Double.NaN);
    }

    /** All differences that the table tells. */
    private int comparisons() {
        return Math.max(1, (study.arms().size() - 1) * study.grid().objectives().size() * study.grid().pairs().size() * measures.size());
    }

    private StudyResult.Row row(StudyArm arm, Objective objective, int pairs) {
        List<StudyResult.Cell> cells = measures.stream().map(measure -> new StudyResult.Cell(measure,
            StudentT.mean(values(arm.name(), objective, pairs, measure), LEVEL), difference(arm, objective, pairs, measure))).toList();
        List<JsonNode> costs = paths(arm.name(), objective, pairs).stream().map(TaskResult::cost).filter(JsonNode::isObject).toList();
        StudyResult.Cost cost = costs.isEmpty() ? null : new StudyResult.Cost(
            costs.stream().mapToDouble(c -> c.path("seconds").doubleValue()).average().orElse(Double.NaN),
            costs.getFirst().path("trainable_parameters").longValue(), costs.getFirst().path("optimizer_bytes").longValue());
        return new StudyResult.Row(arm.name(), objective, pairs, choices.lr(arm.name(), objective), cells, cost);
    }

    /** Bonferroni: all intervals hold together with at least 95 %. */
    private @Nullable Interval difference(StudyArm arm, Objective objective, int pairs, String measure) {
        String baseline = study.measure().baseline();
        if (arm.name().equals(baseline)) {
            return null;
        }
        double[] own = values(arm.name(), objective, pairs, measure);
        double[] its = values(baseline, objective, pairs, measure);
        double[] differences = new double[own.length];
        for (int i = 0; i < own.length; i++) {
            differences[i] = own[i] - its[i];
        }
        return StudentT.mean(differences, 1 - (1 - LEVEL) / comparisons());
    }

    private double[] values(String arm, Objective objective, int pairs, String measure) {
        return paths(arm, objective, pairs).stream().mapToDouble(path -> shares(path).getOrDefault(measure, Double.NaN))
            .toArray();
    }

    private List<Path> paths(String arm, Objective objective, int pairs) {
        double lr = choices.lr(arm, objective);
        return study.grid().seeds().stream().map(seed -> directory.task(new StudyTask(StudyTask.Phase.TEST, arm, objective, lr, pairs,
            seed).id())).toList();
    }
}
