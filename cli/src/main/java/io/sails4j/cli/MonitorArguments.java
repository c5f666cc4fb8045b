package io.sails4j.cli;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.model.CausalModel;
import io.sails4j.monitor.Action;
import io.sails4j.monitor.Monitor;
import io.sails4j.monitor.MonitorEvent;
import io.sails4j.monitor.MonitorFile;
import io.sails4j.monitor.MonitorSpec;
import io.sails4j.sae.Sae;
import io.sails4j.steer.FeatureChange;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** A monitor that watches what a command generates. */
final class MonitorArguments {
    @Option(names = "--monitor", paramLabel = "FILE",
        description = "watch every token by the rules of this monitor (see sails monitor calibrate); needs the SAEs that it was made with")
    private @Nullable Path file;

    @Option(names = "--on-alarm", paramLabel = "ACTION",
        description = "in place of what the monitor's rules do: log, alarm, stop, switch=NAME (to an adapter), or"
            + " steer=LAYER:FEATURE=X[,...] (as --steer, while the alarm is there)")
    private @Nullable String action;

    boolean given() {
        return file != null;
    }

    /** The monitor's rules, null where there is none. */
    @Nullable
    MonitorSpec spec(CommonOptions common) {
        if (file == null) {
            if (action != null) {
                throw common.wrong("--on-alarm says what a monitor does, and there is none; add --monitor FILE");
            }
            return null;
        }
        MonitorSpec spec = MonitorFile.read(file);
        return action == null ? spec : spec.doing(action("--on-alarm", action, common));
    }

    /** The monitor, open; null where there is none. */
    static @Nullable Monitor open(@Nullable MonitorSpec spec, CausalModel model, Map<Integer, Sae> saes) {
        return spec == null ? null : Monitor.open(model, saes, spec);
    }

    static Action action(String flag, String text, CommonOptions common) {
        return switch (text) {
            case "log" -> new Action.Note();
            case "alarm" -> new Action.Alarm();
            case "stop" -> new Action.Stop();
            default -> {
                if (text.startsWith("switch=")) {
                    yield new Action.SwitchTo(text.substring("switch=".length()));
                }
                if (text.startsWith("steer=")) {
                    List<FeatureChange.Steered> changes = new ArrayList<>();
                    for (String one : text.substring("steer=".length()).split(",", -1)) {
                        changes.add(SteerArguments.steered(flag, one, common));
                    }
                    yield new Action.Steer(changes);
                }
                throw common.wrong(flag + " is '" + text + "', expected log, alarm, stop, switch=NAME or steer=LAYER:FEATURE=X");
            }
        };
    }

    /** Adds {@code monitor}: what has happened, in order. */
    static void write(List<MonitorEvent> events, boolean stopped, ObjectNode json) {
        ObjectNode monitor = json.putObject("monitor").put("stopped", stopped);
        ArrayNode all = monitor.putArray("events");
        events.forEach(event -> all.add(event.json()));
    }
}
