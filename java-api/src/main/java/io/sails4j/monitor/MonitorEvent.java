package io.sails4j.monitor;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.List;
import java.util.Locale;
import java.util.stream.Collectors;

/**
 * An alarm that begins or ends.
 *
 * @param begins false where it ends
 * @param answer whether the token is the answer's
 * @param token from 0, in the prompt or in the answer
 * @param value the signal's mean over the window at that token
 * @param because the features with the largest shares at that token, largest first; empty where none was active
 */
public record MonitorEvent(Rule rule, boolean begins, boolean answer, int token, double value, List<ActiveFeature> because) {
    public MonitorEvent {
        because = List.copyOf(because);
    }

    /** Whether it is an alarm that begins, and no note. */
    public boolean alarms() {
        return begins && rule.action().alarms();
    }

    /** One sentence that names rule, place, value and features. */
    public String sentence() {
        Trigger trigger = rule.trigger();
        String features = because.isEmpty() ? "none of its features is active" : because.stream()
            .map(active -> String.format(Locale.ROOT, "%s (%.3g)", active.feature().toString(), active.activation()))
            .collect(Collectors.joining(", "));
        return String.format(Locale.ROOT, "%s %s at token %d of the %s: %.4g, %s %.4g; features %s", rule.name(),
            begins ? "is on" : "is off", token, answer ? "answer" : "prompt", value,
            (trigger.side() == Trigger.Side.ABOVE) == begins ? "above" : "below", begins ? trigger.on() : trigger.off(), features);
    }

    /** The event as JSON: rule, action, begins, part, token, value, threshold, features. */
    public ObjectNode json() {
        ObjectNode json = JsonNodeFactory.instance.objectNode().put("rule", rule.name()).put("action", rule.action().name())
            .put("begins", begins).put("part", answer ? "answer" : "prompt").put("token", token).put("value", value)
            .put("threshold", begins ? rule.trigger().on() : rule.trigger().off());
        ArrayNode features = json.putArray("features");
        because.forEach(active -> features.addObject().put("layer", active.feature().layer()).put("id", active.feature().index())
            .put("activation", active.activation()).put("share", active.share()));
        return json;
    }
}
