package io.sails4j.monitor;

import java.util.List;
import java.util.stream.Collectors;

/**
 * What a monitor made of a text.
 *
 * @param events in their order
 */
public record MonitorReport(List<MonitorEvent> events) {
    public MonitorReport {
        events = List.copyOf(events);
    }

    /** Whether there was an alarm. */
    public boolean alarmed() {
        return events.stream().anyMatch(MonitorEvent::alarms);
    }

    /** The alarms as sentences, one behind the other; empty where there was none. */
    public String sentence() {
        return events.stream().filter(MonitorEvent::alarms).map(MonitorEvent::sentence).collect(Collectors.joining(". "));
    }
}
