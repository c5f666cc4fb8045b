package io.sails4j.monitor;

import io.sails4j.InputException;
import io.sails4j.sae.Sae;
import io.sails4j.steer.Feature;
import java.util.Collections;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * Rules, and the SAEs that they read.
 *
 * @param rules each with a name of its own
 * @param saes by layer, of each layer that a rule reads
 */
public record MonitorSpec(List<Rule> rules, SortedMap<Integer, SaeMark> saes) {
    public MonitorSpec {
        rules = List.copyOf(rules);
        saes = Collections.unmodifiableSortedMap(new TreeMap<>(saes));
        Set<String> names = new HashSet<>();
        for (Rule rule : rules) {
            if (!names.add(rule.name())) {
                throw new InputException("two rules of a monitor are called '" + rule.name() + "', expected a name of its own for each");
            }
            if (!saes.containsKey(rule.signal().layer())) {
                throw new InputException("rule '" + rule.name() + "' reads layer " + rule.signal().layer()
                    + ", and the monitor names no SAE of that layer");
            }
        }
    }

    /**
     * Rules that read these SAEs.
     *
     * @throws InputException where a rule reads a layer without an SAE, or a feature that the SAE has not got
     */
    public static MonitorSpec of(List<Rule> rules, Map<Integer, Sae> saes) {
        SortedMap<Integer, SaeMark> marks = new TreeMap<>();
        for (Rule rule : rules) {
            int layer = rule.signal().layer();
            rule.signal().terms().forEach(term -> new Feature(layer, term.feature()).in(saes));
            marks.computeIfAbsent(layer, _ -> SaeMark.of(Objects.requireNonNull(saes.get(layer)), featuresOf(rules, layer)));
        }
        return new MonitorSpec(rules, marks);
    }

    /** The features of a layer that rules read, rising. */
    static int[] featuresOf(List<Rule> rules, int layer) {
        return rules.stream().filter(rule -> rule.signal().layer() == layer).flatMap(rule -> rule.signal().terms().stream())
            .mapToInt(Signal.Term::feature).distinct().sorted().toArray();
    }

    /** The same where nothing is done but to tell: what would change an answer is an alarm alone. */
    public MonitorSpec observing() {
        return new MonitorSpec(rules.stream().map(rule -> rule.action().alarms() ? rule.doing(new Action.Alarm()) : rule).toList(), saes);
    }

    /** All rules with something else done. */
    public MonitorSpec doing(Action other) {
        return new MonitorSpec(rules.stream().map(rule -> rule.doing(other)).toList(), saes);
    }
}
