package io.sails4j.attack;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;

/**
 * The direction that was taken out of an arm, and how it was chosen.
 *
 * @param layer behind which it was measured
 * @param logOddsBefore of a refusal's first token, the mean over harmful prompts held out, with nothing taken out
 * @param candidates the layers that were compared; none where the layer was given
 */
public record Direction(String arm, int layer, double logOddsBefore, List<Candidate> candidates) {
    public Direction {
        candidates = List.copyOf(candidates);
    }

    /**
     * A layer's direction taken out.
     *
     * @param logOdds of a refusal's first token, the mean over harmful prompts held out
     * @param kl from the model as it is, of the first token of an answer, the mean over harmless prompts held out, in nats
     */
    public record Candidate(int layer, double logOdds, double kl) {
    }

    ObjectNode json() {
        ObjectNode json = JsonNodeFactory.instance.objectNode().put("arm", arm).put("layer", layer);
        json.put("refusal_log_odds_before", logOddsBefore);
        ArrayNode layers = json.putArray("layers");
        candidates.forEach(candidate -> layers.addObject().put("layer", candidate.layer).put("refusal_log_odds", candidate.logOdds)
            .put("kl", candidate.kl));
        return json;
    }

    static Direction of(JsonNode json) {
        List<Candidate> candidates = new ArrayList<>();
        json.path("layers").forEach(node -> candidates.add(new Candidate(node.path("layer").asInt(),
            node.path("refusal_log_odds").asDouble(), node.path("kl").asDouble())));
        return new Direction(json.path("arm").asText(), json.path("layer").asInt(), json.path("refusal_log_odds_before").asDouble(),
            candidates);
    }
}
