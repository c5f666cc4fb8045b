package io.sails4j.study;

import com.fasterxml.jackson.databind.JsonNode;
import io.sails4j.InputException;
import io.sails4j.eval.EvalArm;
import io.sails4j.stats.Interval;
import io.sails4j.stats.StudentT;
import io.sails4j.train.Objective;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
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
        rows.add(new StudyResult.Row(EvalArm.BASE, null, 0, 0, false, measures.stream().map(measure -> new StudyResult.Cell(measure,
            alone(shares(directory.task(EvalArm.BASE)).getOrDefault(measure, Double.NaN)), null)).toList(), null));
        for (StudyArm arm : study.arms()) {
            for (Objective objective : arm.objectives(study.grid())) {
                for (int pairs : study.grid().pairs()) {
                    rows.add(row(arm, objective, pairs));
                }
            }
        }
        return new StudyResult(rows, comparisons(), primary(), directory.root());
    }

    private List<StudyResult.Primary> primary() {
        StudyPrimary primary = study.measure().primary();
        List<StudyResult.Primary> differences = new ArrayList<>();
        if (primary == null) {
            return differences;
        }
        for (String measure : primary.measures()) {
            if (!measures.contains(measure)) {
                throw new InputException(study.file() + " compares '" + measure + "' under 'primary', expected some of " + measures);
            }
            for (String against : primary.against()) {
                double[] of = differences(only(primary.arm()), only(against), study.grid().mostPairs(), measure);
                Interval interval = StudentT.mean(of, primary.level());
                differences.add(new StudyResult.Primary(primary.arm(), against, measure, interval, of.length, StudentT.deviation(of)));
            }
        }
        return differences;
    }

    /** An arm of one objective. */
    private Trained only(String arm) {
        return new Trained(arm, study.arm(arm).objectives(study.grid()).getFirst());
    }

    /** What a row is of. */
    private record Trained(String arm, Objective objective) {
    }

    private Map<String, Double> shares(Path task) {
        return shares.computeIfAbsent(task, TaskResult::shares);
    }

    private static Interval alone(double value) {
        return new Interval(value, Double.NaN, Double.NaN);
    }

    /** All differences that the table tells. */
    private int comparisons() {
        return Math.max(1, study.arms().stream().filter(arm -> !arm.name().equals(study.measure().baseline()))
            .mapToInt(arm -> arm.objectives(study.grid()).size()).sum() * study.grid().pairs().size() * measures.size());
    }

    private StudyResult.Row row(StudyArm arm, Objective objective, int pairs) {
        List<StudyResult.Cell> cells = measures.stream().map(measure -> new StudyResult.Cell(measure,
            mean(values(arm.name(), objective, pairs, measure)), difference(arm, objective, pairs, measure))).toList();
        List<JsonNode> costs = paths(arm.name(), objective, pairs).stream().map(TaskResult::cost).filter(JsonNode::isObject).toList();
        StudyResult.Cost cost = costs.isEmpty() ? null : new StudyResult.Cost(
            costs.stream().mapToDouble(c -> c.path("seconds").doubleValue()).average().orElse(Double.NaN),
            costs.getFirst().path("trainable_parameters").longValue(), costs.getFirst().path("optimizer_bytes").longValue());
        double lr = choices.lr(arm.name(), objective);
        return new StudyResult.Row(arm.name(), objective, pairs, lr, study.grid().atEnd(lr), cells, cost);
    }

    private static Interval mean(double[] all) {
        double[] values = Arrays.stream(all).filter(value -> !Double.isNaN(value)).toArray();
        return values.length < 2 ? alone(values.length == 0 ? Double.NaN : values[0]) : StudentT.mean(values, LEVEL);
    }

    /** Bonferroni: all intervals hold together with at least 95 %. */
    private @Nullable Interval difference(StudyArm arm, Objective objective, int pairs, String measure) {
        String baseline = study.measure().baseline();
        if (arm.name().equals(baseline)) {
            return null;
        }
        List<Objective> its = study.arm(baseline).objectives(study.grid());
        // An arm with an objective of its own is held against the baseline's first.
        double[] differences = differences(new Trained(arm.name(), objective),
            new Trained(baseline, its.contains(objective) ? objective : its.getFirst()), pairs, measure);
        return differences.length < 2 ? null : StudentT.mean(differences, 1 - (1 - LEVEL) / comparisons());
    }

    /** Seed by seed, of those with which both were measured. */
    private double[] differences(Trained own, Trained its, int pairs, String measure) {
        double[] a = values(own.arm(), own.objective(), pairs, measure);
        double[] b = values(its.arm(), its.objective(), pairs, measure);
        return IntStream.range(0, a.length).mapToDouble(i -> a[i] - b[i]).filter(d -> !Double.isNaN(d)).toArray();
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
