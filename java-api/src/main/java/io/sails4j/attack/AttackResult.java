package io.sails4j.attack;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.sails4j.eval.EvalResult;
import java.nio.file.Path;
import java.util.List;

/**
 * What an attack came to.
 *
 * @param model directory of the first arm's
 * @param evaluated the attacked arms' answers, judged
 * @param curves of the searches; of other attacks none
 * @param transfers of suffixes to other prompts
 * @param directions that were taken out, an arm each
 * @param candidatesPerSecond of this process, NaN where nothing was searched; in no file
 */
public record AttackResult(Path model, EvalResult evaluated, List<Curve> curves, List<Transfer> transfers, List<Direction> directions,
    double candidatesPerSecond) {
    public AttackResult {
        directions = List.copyOf(directions);
        curves = List.copyOf(curves);
        transfers = List.copyOf(transfers);
    }

    static AttackResult of(Path model, EvalResult evaluated) {
        return new AttackResult(model, evaluated, List.of(), List.of(), List.of(), Double.NaN);
    }

    AttackResult with(List<Curve> searched, List<Transfer> lent, double perSecond) {
        return new AttackResult(model, evaluated, searched, lent, directions, perSecond);
    }

    AttackResult without(List<Direction> removed) {
        return new AttackResult(model, evaluated, curves, transfers, removed, candidatesPerSecond);
    }

    /** The attack's name. */
    public String kind() {
        return evaluated.origin().path("attack").path("kind").asText();
    }

    /** As {@code attack.json} holds it; what is not known is null there. */
    public ObjectNode json() {
        ObjectNode eval = evaluated.json();
        ObjectNode json = eval.objectNode().put("format", 1).put("kind", kind());
        JsonNode origin = evaluated.origin();
        json.putObject("model").put("path", model.toString())
            .set("sha256", origin.path("arms").path(evaluated.arms().getFirst().arm()).path("model_sha256"));
        json.set("options", origin.path("attack"));
        ArrayNode arms = json.putArray("arms");
        evaluated.arms().forEach(arm -> arms.add(arm.arm()));
        json.setAll(eval);
        ArrayNode curvesNode = json.putArray("curves");
        curves.forEach(curve -> write(curve, curvesNode.addObject()));
        ArrayNode transfersNode = json.putArray("transfers");
        transfers.forEach(transfer -> write(transfer, transfersNode.addObject()));
        ArrayNode directionsNode = json.putArray("directions");
        directions.forEach(direction -> directionsNode.add(direction.json()));
        return json;
    }

    private static void write(Curve curve, ObjectNode json) {
        json.put("arm", curve.arm());
        ArrayNode prompts = json.putArray("prompts");
        curve.prompts().forEach(prompts::add);
        json.put("suffix", curve.suffix()).put("loss", curve.loss());
        ArrayNode losses = json.putArray("losses");
        curve.losses().forEach(losses::add);
    }

    private static void write(Transfer transfer, ObjectNode json) {
        json.put("suffix", transfer.suffix()).put("from", transfer.from()).put("arm", transfer.arm());
        json.put("judge", transfer.metric().judge()).put("measure", transfer.metric().measure().key());
        json.put("wanted", transfer.metric().wanted().key());
        transfer.metric().interval().writeInto(json);
        json.put("n", transfer.metric().n()).put("undecided", transfer.metric().undecided());
    }
}
