package io.sails4j.report;

import com.fasterxml.jackson.annotation.JsonProperty;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * A monitor's rules and how good they are, from {@code monitor.json}.
 *
 * @param calibration by rule; empty where nothing was measured
 */
public record MonitorPart(PartOrigin origin, List<Rule> rules, List<Quality> calibration) implements ReportPart {
    public MonitorPart {
        rules = List.copyOf(rules);
        calibration = List.copyOf(calibration);
    }

    /**
     * A rule.
     *
     * @param part whose tokens count: {@code prompt}, {@code answer}, {@code all}
     * @param side on which of {@code on} the alarm is: {@code above}, {@code below}
     */
    public record Rule(String name, int layer, String part, String side, double on, double off, int window, Action action,
        List<Term> features) {
        public Rule {
            Required.present(name, "name");
            Required.present(part, "part");
            Required.present(side, "side");
            Required.present(action, "action");
            features = Required.orEmpty(features);
        }
    }

    /** What an alarm does, by its word. */
    public record Action(@JsonProperty("do") String does) {
        public Action {
            Required.present(does, "do");
        }
    }

    /** A feature's weight in a signal. */
    public record Term(int id, double weight) {
    }

    /**
     * A rule on texts that chose nothing.
     *
     * @param roc false alarms and detections by falling threshold, pairs
     */
    public record Quality(String rule, long chosenOn, long testedQuiet, long testedAlarming, Estimate falseAlarmRate,
        Estimate detectionRate,
        Estimate auc, List<List<Double>> roc) {
        public Quality {
            Required.present(rule, "rule");
            Required.present(falseAlarmRate, "false_alarm_rate");
            Required.present(detectionRate, "detection_rate");
            Required.present(auc, "auc");
            roc = Required.orEmpty(roc);
            if (roc.stream().anyMatch(point -> point.size() != 2)) {
                throw new IllegalArgumentException("'roc' has a point that is no pair, expected [false alarms, detections]");
            }
        }
    }

    /** A number with its interval; null where nothing can be said. */
    public record Estimate(@Nullable Double value, @Nullable Double low, @Nullable Double high) {
    }
}
