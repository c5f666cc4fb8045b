package io.sails4j.eval;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.utility.UtilityMetric;
import java.nio.file.Path;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * What an evaluation came to.
 *
 * @param out where it is written
 * @param origin everything that decided it, as {@code eval.json} holds it
 * @param alarms of the monitor, empty where there was none
 */
public record EvalResult(Path out, ObjectNode origin, List<ArmSummary> arms, List<Metric> metrics, List<Comparison> comparisons,
    List<UtilityMetric> utility, List<AlarmRate> alarms) {
    public EvalResult {
        arms = List.copyOf(arms);
        metrics = List.copyOf(metrics);
        comparisons = List.copyOf(comparisons);
        utility = List.copyOf(utility);
        alarms = List.copyOf(alarms);
    }

    /** The same of some arms alone. */
    public EvalResult ofArms(List<String> names) {
        return new EvalResult(out, origin, arms.stream().filter(arm -> names.contains(arm.arm())).toList(),
            metrics.stream().filter(metric -> names.contains(metric.arm())).toList(),
            comparisons.stream().filter(c -> names.contains(c.first()) && names.contains(c.second())).toList(),
            utility.stream().filter(metric -> names.contains(metric.arm())).toList(),
            alarms.stream().filter(rate -> names.contains(rate.arm())).toList());
    }

    /** As {@code eval.json} holds it; what is not known is null there. */
    public ObjectNode json() {
        ObjectNode json = origin.objectNode();
        json.set("run", origin);
        ArrayNode armsNode = json.putArray("answers");
        arms.forEach(arm -> armsNode.addObject().put("arm", arm.arm()).put("answers", arm.answers()).put("stopped", arm.stopped())
            .put("tokens", arm.tokens()));
        ArrayNode metricsNode = json.putArray("metrics");
        metrics.forEach(metric -> write(metric, metricsNode.addObject()));
        ArrayNode comparisonsNode = json.putArray("comparisons");
        comparisons.forEach(comparison -> write(comparison, comparisonsNode.addObject()));
        ArrayNode utilityNode = json.putArray("utility");
        utility.forEach(metric -> write(metric, utilityNode.addObject()));
        if (!alarms.isEmpty()) {
            ArrayNode alarmsNode = json.putArray("alarms");
            alarms.forEach(rate -> write(rate, alarmsNode.addObject()));
        }
        return json;
    }

    private static void write(UtilityMetric metric, ObjectNode json) {
        json.put("arm", metric.arm()).put("measure", metric.measure().key()).put("file", metric.file()).put("category", metric.category());
        json.put("estimate", known(metric.interval().value())).put("low", known(metric.interval().low()));
        json.put("high", known(metric.interval().high())).put("n", metric.n());
        if (metric.tokens() > 0) {
            json.put("tokens", metric.tokens());
        }
    }

    /** NaN is no JSON. */
    private static @Nullable Double known(double value) {
        return Double.isFinite(value) ? value : null;
    }

    private static void write(AlarmRate rate, ObjectNode json) {
        json.put("arm", rate.arm()).put("rule", rate.rule()).put("part", rate.part()).put("wanted", rate.wanted().key())
            .put("file", rate.file());
        rate.interval().writeInto(json);
        json.put("alarms", rate.alarms()).put("n", rate.n());
    }

    private static void write(Metric metric, ObjectNode json) {
        json.put("arm", metric.arm()).put("judge", metric.judge()).put("measure", metric.measure().key());
        json.put("wanted", metric.wanted().key()).put("file", metric.file()).put("category", metric.category());
        metric.interval().writeInto(json);
        if (metric.corrected() != null) {
            metric.corrected().writeInto(json.putObject("corrected"));
        }
        json.put("n", metric.n()).put("undecided", metric.undecided());
    }

    private static void write(Comparison comparison, ObjectNode json) {
        json.put("first", comparison.first()).put("second", comparison.second()).put("judge", comparison.judge());
        json.put("measure", comparison.measure().key()).put("wanted", comparison.wanted().key()).put("file", comparison.file());
        comparison.difference().writeInto(json);
        json.put("n", comparison.n());
        if (comparison.measure().isRate()) {
            json.put("only_first", comparison.onlyFirst()).put("only_second", comparison.onlySecond()).put("mcnemar_p", comparison.p());
        }
    }
}
