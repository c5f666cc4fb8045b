package io.sails4j.monitor;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.stats.Interval;

/**
 * How good a rule is on texts that had no part in choosing it.
 *
 * @param chosenOn texts that chose its weights and its threshold
 * @param quiet texts of the test that should raise no alarm
 * @param alarming texts of the test that should
 * @param falseAlarms share of the quiet ones with an alarm
 * @param detected share of the alarming ones with an alarm
 * @param auc area under the ROC curve of the test: how often an alarming text's signal lies beyond a quiet one's
 * @param roc false alarms and detections of the test by falling threshold, [2][points]
 */
public record RuleQuality(String rule, int chosenOn, int quiet, int alarming, Interval falseAlarms, Interval detected, Interval auc,
    double[][] roc) {
    /** The numbers as JSON. */
    public ObjectNode json() {
        ObjectNode json = JsonNodeFactory.instance.objectNode().put("rule", rule).put("chosen_on", chosenOn).put("tested_quiet", quiet)
            .put("tested_alarming", alarming);
        falseAlarms.writeInto(json.putObject("false_alarm_rate"));
        detected.writeInto(json.putObject("detection_rate"));
        auc.writeInto(json.putObject("auc"));
        ArrayNode curve = json.putArray("roc");
        for (int i = 0; i < roc[0].length; i++) {
            curve.addArray().add(roc[0][i]).add(roc[1][i]);
        }
        return json;
    }
}
