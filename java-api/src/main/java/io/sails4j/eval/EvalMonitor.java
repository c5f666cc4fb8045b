package io.sails4j.eval;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.config.ModelConfig;
import io.sails4j.files.FileHash;
import io.sails4j.model.CausalModel;
import io.sails4j.monitor.Monitor;
import io.sails4j.monitor.MonitorFile;
import io.sails4j.monitor.MonitorSpec;
import io.sails4j.monitor.Rule;
import io.sails4j.sae.Sae;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;

/**
 * A monitor that looks on while an evaluation's arms answer. It changes nothing: the answers are those that there are without it, and a
 * rule that would stop, steer or switch is an alarm here.
 *
 * @param spec its rules
 * @param saes that they read, by layer; they stay the caller's to close
 */
public record EvalMonitor(MonitorSpec spec, Map<Integer, Sae> saes) {
    public EvalMonitor {
        spec = spec.observing();
        saes = Map.copyOf(saes);
    }

    /** An error where the SAEs do not fit one of the arms. */
    void requireFit(List<EvalArm> arms) {
        arms.forEach(arm -> Sae.requireFit(saes, ModelConfig.read(arm.model()), arm.model()));
    }

    Monitor open(CausalModel model) {
        return Monitor.open(model, saes, spec);
    }

    /** What decides its events. */
    ObjectNode describe() {
        return JsonNodeFactory.instance.objectNode()
            .put("rules", spec.rules().stream().map(Rule::name).collect(Collectors.joining(", ")))
            .put("sha256", FileHash.sha256OfText(MonitorFile.json(spec).toString()));
    }
}
