package io.sails4j.monitor;

import java.util.List;

/**
 * Rules with thresholds, and how good each is.
 *
 * @param quality by rule, in the rules' order
 */
public record CalibratedMonitor(MonitorSpec spec, List<RuleQuality> quality) {
    public CalibratedMonitor {
        quality = List.copyOf(quality);
    }
}
