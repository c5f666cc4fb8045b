package io.sails4j.cli;

import io.sails4j.eval.AlarmRate;
import io.sails4j.eval.ArmSummary;
import io.sails4j.eval.Comparison;
import io.sails4j.eval.EvalResult;
import io.sails4j.eval.Metric;
import io.sails4j.stats.Interval;
import io.sails4j.utility.UtilityMetric;
import java.util.Locale;

/** An evaluation as tables. */
final class EvalTables {
    private final EvalResult result;

    EvalTables(EvalResult result) {
        this.result = result;
    }

    String render() {
        StringBuilder text = new StringBuilder();
        if (!result.arms().isEmpty()) {
            text.append(answers().render()).append('\n');
        }
        if (!result.metrics().isEmpty()) {
            text.append(metrics().render()).append('\n');
        }
        if (!result.comparisons().isEmpty()) {
            text.append(comparisons().render()).append('\n');
        }
        if (!result.alarms().isEmpty()) {
            text.append(alarms().render()).append('\n');
        }
        if (!result.utility().isEmpty()) {
            text.append(utility().render()).append('\n');
        }
        return text.append("written  ").append(result.out()).append('\n').toString();
    }

    private Table answers() {
        Table table = Table.withHeader("arm", "answers", "cut at the limit", "tokens an answer");
        for (ArmSummary arm : result.arms()) {
            table.row(arm.arm(), arm.answers(), arm.answers() - arm.stopped(), number((double) arm.tokens() / arm.answers(), 1));
        }
        return table;
    }

    private Table alarms() {
        Table table = Table.withHeader("arm", "alarm in the", "prompts", "rule", "share", "95 % interval", "alarms", "n");
        for (AlarmRate rate : result.alarms()) {
            table.row(rate.arm(), rate.part(), rate.wanted().key() + (rate.file() == null ? "" : "  " + rate.file()),
                rate.rule() == null ? "any" : rate.rule(), shown(rate.interval().value(), true), interval(rate.interval(), true),
                rate.alarms(), rate.n());
        }
        return table;
    }

    private Table utility() {
        Table table = Table.withHeader("arm", "measure", "of", "value", "95 % interval", "n", "tokens");
        for (UtilityMetric m : result.utility()) {
            boolean rate = m.measure().isRate();
            table.row(m.arm(), m.measure().key(), m.file() + (m.category() == null ? "" : "  " + m.category()),
                rate ? shown(m.interval().value(), true) : digits(m.interval().value()),
                Double.isNaN(m.interval().low()) ? "unknown" : rate ? interval(m.interval(), true)
                    : digits(m.interval().low()) + " to " + digits(m.interval().high()),
                m.n(), m.tokens() == 0 ? "" : m.tokens());
        }
        return table;
    }

    /** Divergences are small. */
    private static String digits(double value) {
        return String.format(Locale.ROOT, "%.4g", value);
    }

    private Table metrics() {
        Table table = Table.withHeader("arm", "judge", "measure", "prompts", "value", "95 % interval", "corrected", "n",
            "undecided");
        for (Metric m : result.metrics()) {
            table.row(m.arm(), m.judge(), m.measure().key(), m.wanted().key() + (m.file() == null ? "" : "  " + m.file())
                + (m.category() == null ? "" : "  " + m.category()), shown(m.interval().value(), m.measure().isRate()),
                interval(m.interval(), m.measure().isRate()), corrected(m), m.n(), m.undecided());
        }
        return table;
    }

    private static String corrected(Metric metric) {
        Interval corrected = metric.corrected();
        return corrected == null ? "" : shown(corrected.value(), true) + ", " + interval(corrected, true);
    }

    private Table comparisons() {
        Table table = Table.withHeader("second - first", "judge", "measure", "prompts", "difference", "95 % interval", "n", "only first",
            "only second", "McNemar p");
        for (Comparison c : result.comparisons()) {
            boolean rate = c.measure().isRate();
            table.row(c.second() + " - " + c.first(), c.judge(), c.measure().key(), c.wanted().key() + (c.file() == null ? ""
                : "  " + c.file()), shown(c.difference().value(), rate), interval(c.difference(), rate), c.n(), rate ? c.onlyFirst() : "",
                rate ? c.onlySecond() : "", rate ? String.format(Locale.ROOT, "%.3g", c.p()) : "");
        }
        return table;
    }

    static String interval(Interval interval, boolean rate) {
        return interval.known() ? shown(interval.low(), rate) + " to " + shown(interval.high(), rate) : "unknown";
    }

    static String shown(double value, boolean rate) {
        return Double.isNaN(value) ? "unknown" : rate ? number(100 * value, 1) + " %" : number(value, 2);
    }

    private static String number(double value, int digits) {
        return String.format(Locale.ROOT, "%." + digits + "f", value);
    }
}
